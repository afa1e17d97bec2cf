"""Benchmarks: `make bench`, or `python -m tests.bench --help`. Ratios inside one run; see `__main__`."""
