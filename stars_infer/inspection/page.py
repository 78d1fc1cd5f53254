"""Make self-contained web pages of the parts in `web/`: one file, no network, no library."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_STYLE = """* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--back);
  color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.2rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.4rem 0 .3rem; }
button, select { font: inherit; color: inherit; background: var(--panel);
  border: 1px solid var(--line); border-radius: 6px; padding: .25rem .7rem; max-width: 100%; }
.bar { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: .6rem 0; }
.bar label { min-width: 0; max-width: 100%; }
.dim { color: var(--dim); }
.warn { color: var(--warn); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
p { margin: .15rem 0; }
.differs { text-align: left; cursor: pointer; margin: .15rem 0; }
"""


def make_page(*, title: str, body: str, data: object, script: str, style: str = "") -> str:
    """Make a page with players.

    Args:
        title: Plain text.
        body: HTML, in which all that comes from files is escaped.
        data: What the script finds, as JSON, in the element `data`.
        script: Names of files in `web/` besides the player, whose last is the page's own script.
        style: Further CSS.

    Returns:
        HTML that loads nothing.
    """
    css = web_file("player.css") + _STYLE + style
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="data">{in_script(data)}</script>\n'
        f'<script type="module">\n{inline("skeleton.js", "player.js", script)}</script>\n'
        "</body>\n</html>\n"
    )


def inline(*names: str) -> str:
    """Join modules of `web/` into one script, whose parts need not import each other any more."""
    text = "".join(web_file(name) for name in names)
    text = re.sub(r"^import .*;\n|^ *//.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^export (?=class|function|const)", "", text, flags=re.MULTILINE)


def web_file(name: str) -> str:
    """Read a file of `web/`, which a server may also hand out as it is."""
    return files("stars_infer.inspection").joinpath("web", name).read_text(encoding="utf-8")


def in_script(data: object) -> str:
    """Write JSON that cannot end the script element around it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def printable_text(text: str) -> str:
    """Escape text for HTML and SVG; characters that neither allows become U+FFFD."""
    return escape("".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text))
