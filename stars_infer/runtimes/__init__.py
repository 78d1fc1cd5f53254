"""What runs an encoder's graph: one module per runtime."""
