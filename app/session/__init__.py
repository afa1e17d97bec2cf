"""What one visitor does and has: the desk, its runs, their addresses."""
