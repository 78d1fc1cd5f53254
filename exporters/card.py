"""The model card: Markdown, with the header that the Hugging Face Hub reads.

See https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import json
import re

from stars_infer.encoder.model import ModelInfo

TAGS = ("skeleton", "human-motion", "action-recognition", "few-shot-learning", "onnx")
TASK = "feature-extraction"
"""The Hub's task that comes nearest: from a clip to a vector."""
_LICENSES = frozenset(
    {
        "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-3.0",
        "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "gpl-2.0",
        "gpl-3.0", "agpl-3.0", "lgpl-2.1", "lgpl-3.0", "mpl-2.0", "unlicense", "unknown",
    }
)  # fmt: skip
"""Licenses that the Hub knows, of those that weights come under."""


def card(info: ModelInfo, notes: str) -> str:
    """The model card, in Markdown."""
    prepared = info.preprocessing
    facts = info.facts | (
        {"streams": ", ".join(part.in_words() for part in info.streams)} if info.streams else {}
    )
    rows = "\n".join(f"| {key.replace('_', ' ')} | {value} |" for key, value in facts.items())
    return f"""{header(info)}
# {info.name}

A skeleton encoder for `stars-infer`: it maps {prepared.frames} frames of {info.layout} joints to \
a vector of {info.width} numbers.

| what | value |
| --- | --- |
| license of the weights | {info.license} |
| input | (bodies, {prepared.frames}, 25, 3) in meters, starting with the mid-spine at the origin |
| preprocessing | {prepared.in_words()} |
| comparison | {info.comparison_in_words()} |
| two bodies | {info.absent_bodies} |
{rows}
| fingerprint | `{info.fingerprint[:12]}` |

{notes.strip() or "The export did not record the training data and its license."}
"""


def header(info: ModelInfo) -> str:
    """The card's header, in YAML between two lines of dashes."""
    tags = "\n".join(f"- {tag}" for tag in TAGS)
    return f"""---
{_license(info.license)}
library_name: stars-infer
pipeline_tag: {TASK}
tags:
{tags}
---
"""


def _license(named: str) -> str:
    """Lines of the header about the license of the weights."""
    known = re.sub(r"[\s_]+", "-", named.strip().lower())
    if known in _LICENSES:
        return f"license: {known}"
    # What stands between quotes in JSON means the same in YAML.
    return f"license: other\nlicense_name: {json.dumps(named, ensure_ascii=False)}"
