"""An engine of many processes: `front.py` is what the pages talk to, `replica.py` writes, `wire.py` lies between them.

`sticky.py` says which replica a session goes to, `growing.py` puts a text together from what comes. Only `on_ray.py`
knows Ray; the others work over any `transport.Transport`, so tests run them without it.
"""
