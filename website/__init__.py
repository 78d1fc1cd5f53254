"""The documentation site: `python -m website.build` makes it of the pages, notebooks and code."""
