"""The server: an index and a model behind HTTP, for many clients at once."""
