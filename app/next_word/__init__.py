"""The page next_word."""
