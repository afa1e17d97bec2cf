"""Is this Mistral and nothing else? `verify.py` runs the checks and makes the table.

`subject.py` is what is checked and how differences are judged, `operations.py` what can be replaced by a faulty
version; `checks.py`, `reach.py` and `runs.py` are the checks.
"""
