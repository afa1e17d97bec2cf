"""What is kept of a run.

`trace.py` says what and in which form, `recorder.py` fills it, `compact.py` makes it small enough to travel.
"""
