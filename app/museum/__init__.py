"""The second tab of break_it: historical mistakes, each on a copy of the computation."""
