"""Looks at the built site: links lead somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Elements that load something as soon as they are shown, besides `link` of these kinds."""
_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "manifest", "modulepreload"}


@dataclass
class _Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and set(given.get("rel", "").split()) & _LINKS:
            self.loads.append(given["href"])
        if tag in _LOADS and given.get(_LOADS[tag]):
            self.loads.append(given[_LOADS[tag]])


def faults_of(site: Path) -> list[str]:
    """Links of a built site that lead nowhere, and what its pages load from elsewhere."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    faults = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links start at the root of a host
            continue
        name = path.relative_to(site)
        for target in page.links + page.loads:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            there = path.parent / unquote(parts.path) if parts.path else path
            there = (there / "index.html" if there.is_dir() else there).resolve()
            if not there.exists():
                faults.append(f"{name}: {target} is not there")
            elif parts.fragment and there in pages:
                anchors = pages[there].anchors | {"__skip"}
                if unquote(parts.fragment) not in anchors:
                    faults.append(f"{name}: {target} has no such place")
        faults += [f"{name}: loads {one}" for one in page.loads if _is_elsewhere(one)]
    for path in sorted(site.rglob("*.css")):
        for one in re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')\s]+)", path.read_text("utf-8")):
            if _is_elsewhere(one):
                faults.append(f"{path.relative_to(site)}: loads {one}")
    return faults


def _is_elsewhere(target: str) -> bool:
    return bool(urlsplit(target).netloc)
