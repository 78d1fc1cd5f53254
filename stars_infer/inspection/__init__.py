"""Show what a clip holds: measure it, report on it, draw it, and play it in a web page."""
