"""The page inside_a_block: one token in one layer, every number of it; and the stream that it leaves."""
