"""Prepare, normalize and resample clips, and make views of them."""
