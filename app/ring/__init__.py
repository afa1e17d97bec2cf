"""The page ring."""
