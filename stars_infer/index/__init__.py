"""The exemplar index: labeled clips in one SQLite file."""
