"""Training data: packs on disk and the sources they are made from."""
