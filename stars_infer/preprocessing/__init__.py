"""Prepare, normalise and resample clips, and make views of them."""
