"""Builds the site: `python -m website.build --out build/site`, and open `index.html` in it."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from website.check import faults_of
from website.commands import write_commands
from website.interface import write_interface
from website.notebooks import write_notebooks
from website.pages import DRAWINGS, REPOSITORY, write_pages

_ASSETS = Path(__file__).parent / "assets"
_CONFIG = Path(__file__).parent / "zensical.toml"


def build(out: Path) -> list[str]:
    """Build the site into a folder, which must not be there or be an earlier site.

    Returns:
        What is wrong with it: warnings of the build, links that lead nowhere, things that it
        would load from elsewhere. An empty list if all is well.

    Raises:
        FileExistsError: If the folder holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / "sitemap.xml").exists():
        raise FileExistsError(f"{out}: holds something else than a site; name another folder")
    with tempfile.TemporaryDirectory(prefix="stars-site-") as name:
        work = Path(name)
        write_sources(work)
        done = subprocess.run(
            [sys.executable, "-m", "zensical", "build", "--strict"],
            cwd=work,
            capture_output=True,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
            check=False,
        )
        if done.returncode or not (work / "site/index.html").exists():
            return [f"zensical: {done.stdout}{done.stderr}"]
        _serve_all_itself(work / "site")
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(work / "site", out)
    return faults_of(out)


def _serve_all_itself(site: Path) -> None:
    """Let the pages take from the site what Zensical would take from another host."""
    shutil.copyfile(_ASSETS / "iframe-worker.js", site / "assets/iframe-worker.js")
    for path in site.rglob("*.html"):
        up = os.path.relpath(site / "assets/iframe-worker.js", path.parent)
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("https://unpkg.com/iframe-worker/shim", up), encoding="utf-8")


def write_sources(work: Path) -> None:
    """Write what the site is built of into a folder: the configuration and all pages.

    Raises:
        ValueError: If the navigation names a page that is not there.
    """
    pages = work / "pages"
    write_pages(pages)
    write_notebooks(pages / "tutorials")
    commands = write_commands(pages / "reference/commands")
    python = write_interface(pages / "reference/python")
    shutil.copytree(DRAWINGS, pages / "drawings")
    config = _CONFIG.read_text(encoding="utf-8")
    for word, folder, names in (("COMMANDS", "commands", commands), ("PYTHON", "python", python)):
        listed = ", ".join(f'"reference/{folder}/{name}"' for name in names)
        config = config.replace(f'"{word}"', f"[{listed}]")
    config = config.replace("REPOSITORY", REPOSITORY.as_posix())
    named = set(re.findall(r'"([\w/.-]+\.md)"', config))
    there = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    if named - there:
        raise ValueError(f"website/zensical.toml: not there: {', '.join(sorted(named - there))}")
    more = "".join(f'    "{page}",\n' for page in sorted(there - named))
    config = config.replace("    MORE\n", more)
    (work / "zensical.toml").write_text(config, encoding="utf-8")


def main() -> None:
    """Build the site, and exit with 1 if anything is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build/site")
    faults = build(parser.parse_args().out)
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
