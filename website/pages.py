"""The pages of the site: those of the repository, with links that hold there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).parents[1]
DRAWINGS = Path(__file__).parent / "drawings"

ELSEWHERE = {
    "README.md": "index.md",
    "llms.txt": "llms.txt",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
    "examples/browser/README.md": "examples-browser.md",
    "examples/notebooks/README.md": "tutorials/index.md",
    "models/stars-mocap-small/README.md": "models/stars-mocap-small.md",
    "models/stars-mocap/README.md": "models/stars-mocap.md",
}
"""Pages that lie outside `docs/`, and where they stand on the site; `index.md` is written apart."""

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\S\n]*$", flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def place_of(path: str) -> str | None:
    """Where a file of the repository stands on the site; none if it does not.

    Args:
        path: From the root of the repository, with slashes.
    """
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in ("examples", "examples/browser", "examples/notebooks"):
        return place_of(f"{path}/README.md")
    if path.startswith("examples/notebooks/") and path.endswith(".ipynb"):
        return f"tutorials/{PurePosixPath(path).stem}.md"
    return None


def write_pages(folder: Path) -> None:
    """Copy the pages and pictures of the repository to where they stand on the site."""
    wanted = [REPOSITORY / name for name in ELSEWHERE if name != "README.md"]
    for path in sorted([*(REPOSITORY / "docs").rglob("*"), *wanted]):
        source = path.relative_to(REPOSITORY).as_posix()
        place = place_of(source)
        if not path.is_file() or place is None:
            continue
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".md", ".txt"):
            text = for_site(path.read_text(encoding="utf-8"), source, place)
            if path.suffix == ".txt":  # which leads to pages as they are built
                text = re.sub(r"\.md\b", ".html", text)
            target.write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(path, target)


def for_site(text: str, source: str, place: str) -> str:
    """A page as the site shows it.

    Args:
        text: The page.
        source: Its path in the repository, which its links start from.
        place: Its path on the site.
    """
    if text.startswith("---\n"):  # the head of a model's card
        text = text.split("\n---\n", 1)[1]

    def link(found: re.Match[str]) -> str:
        return f"{found[1]}[{found[2]}]({to})" if (to := moved(found[3])) else found[2]

    def moved(target: str) -> str | None:
        if re.match(r"\w+:|#", target):
            return target
        path, mark, anchor = target.partition("#")
        there = place_of(os.path.normpath(f"{PurePosixPath(source).parent}/{path}"))
        if there is None:
            return None
        return os.path.relpath(there, PurePosixPath(place).parent) + mark + anchor

    def prose(part: str) -> str:
        part = _LINK.sub(link, part)
        return re.sub(
            r'(src|srcset|href)="([^":#]+)"', lambda at: f'{at[1]}="{moved(at[2]) or at[2]}"', part
        )

    return _outside_fences(text, prose, lambda block: _drawn(block, place))


def _outside_fences(text: str, prose: Callable[[str], str], fence: Callable[[str], str]) -> str:
    """Change the text between blocks of code by one function, and these blocks by another."""
    parts, end = [], 0
    for block in _FENCE.finditer(text):
        parts += [prose(text[end : block.start()]), fence(block[0])]
        end = block.end()
    return "".join([*parts, prose(text[end:])])


def drawing_of(block: str) -> str:
    """Name of the drawing of a Mermaid block, which changes with the block."""
    return f"flow-{hashlib.sha256(block.encode()).hexdigest()[:12]}.svg"


def mermaid_blocks() -> dict[str, str]:
    """The flow charts of all pages, by the name of their drawings."""
    found = {}
    for path in sorted((REPOSITORY / "docs").glob("*.md")):
        for block in _FENCE.finditer(path.read_text(encoding="utf-8")):
            if block[0].startswith("```mermaid"):
                found[drawing_of(block[0])] = block[0]
    return found


def _drawn(block: str, place: str) -> str:
    """The drawing of a flow chart, since Mermaid itself would be loaded from elsewhere.

    A chart that was not drawn since it changed is shown as it is written.
    """
    if not block.startswith("```mermaid") or not (DRAWINGS / drawing_of(block)).exists():
        return block
    up = os.path.relpath(f"drawings/{drawing_of(block)}", PurePosixPath(place).parent)
    return f"![Flow chart]({up}){{ .drawing }}"
