"""Prepare, normalize and resample clips, and make other views of them."""
