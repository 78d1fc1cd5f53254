"""Training data: packs, and the data sets and sources they are made of."""
