"""The exemplar index: labelled clips in one SQLite file."""
