"""Runtimes that run an encoder's graph, one module each; `open.py` chooses between them."""
