"""What `stars bench` measures on the user's machine."""
