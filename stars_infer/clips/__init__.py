"""The clip: its bodies, gaps, axes and units, and the people in it."""
