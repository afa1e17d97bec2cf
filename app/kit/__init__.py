"""What all pictures share in the browser."""
