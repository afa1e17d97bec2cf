"""The page window: what a token may see, and what follows from that."""
