"""The page of the package: README.md without links to files and pictures, which it has not got."""

import re
from pathlib import Path

from setuptools import setup

readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
readme = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]+\)\n\n", "", readme)
page = re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", readme)

setup(long_description=page, long_description_content_type="text/markdown")
