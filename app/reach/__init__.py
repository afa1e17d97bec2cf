"""The page reach."""
