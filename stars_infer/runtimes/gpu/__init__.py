"""Code that needs a GPU."""
