"""Historical mistakes of programs with a rolling cache, each on a copy of the computation, beside the right one.

`mistakes.py` has the wrong functions, `copies.py` hands one to a copy of a model, `exhibits.py` tells their stories,
`reading.py` reads a text both ways, `pictures.py` measures what is drawn, `caught.py` asks `verify`.
"""
