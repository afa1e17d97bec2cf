"""What the pages have in common in Python: the frame around them, the mounting of a picture."""
