"""Many machines: clips embedded and named in bulk by Ray Data, and the server under Ray Serve."""
