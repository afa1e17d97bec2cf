"""The page break_it: a part is knocked out, and the run is laid beside the one that has it."""
