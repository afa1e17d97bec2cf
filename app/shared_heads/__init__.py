"""The page shared_heads."""
