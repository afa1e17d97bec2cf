"""Is this Mistral and nothing else? `verify.py` runs the checks and makes the table.

`subject.py` is what is checked and how differences are judged, `operations.py` what can be replaced by a faulty
version. `reference.py` is a second Mistral, written from the papers, and `rotary_order.py` what a text tells of the
order of rows; `independent.py`, `checks.py`, `reach.py` and `runs.py` are the checks.
"""
