"""Draw `docs/named.gif`: clips being named beside their nearest examples, in time alignment.

Everything is synthetic, made by `stars demo`; names and confidence are what the recognizer answers.

    python benchmarks/pictures/named_gif.py docs/named.gif
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer import Clip, Recognizer, read_clip
from stars_infer.inspection.clip_data import clip_data
from stars_infer.inspection.frames import Look, draw_pictures
from stars_infer.inspection.moving import write_gif
from stars_infer.inspection.playback import Playback, play_back
from stars_infer.similarity.alignment import align
from stars_infer.synthetic.files import write_recordings

SHOWN = ("wave", "kick", "squat")
PERFORMERS, SHOTS, SEED = 4, 3, 0
FPS = 10.0
ASKED = 0.3
"""Share of each clip during which its name is not told yet."""
LOOK = Look(width=280, height=235)


def main(path: Path) -> None:
    """Teach three examples of each action, name one more of some, and draw that."""
    with tempfile.TemporaryDirectory() as folder:
        files = list(write_recordings(Path(folder), performers=PERFORMERS, seed=SEED))
        actions: dict[str, list[Path]] = {}
        for file in files:
            actions.setdefault(file.parent.name, []).append(file)
        recognizer = Recognizer()
        for action, recorded in actions.items():
            recognizer.add(action, recorded[:SHOTS])
        pictures = [
            picture for action in SHOWN for picture in _named(recognizer, actions[action][SHOTS])
        ]
    write_gif(pictures, path, colors=LOOK.palette(), fps=FPS)


def _named(recognizer: Recognizer, file: Path) -> Iterator[Any]:
    """Pictures of a clip beside its nearest example; after a while its name is told."""
    answer = recognizer.predict(file)
    clip, example = read_clip(file), read_clip(answer.neighbors[0].source)
    playback = play_back([clip, example], align(clip, example), fps=FPS)
    begin = round(ASKED * len(playback.frames))
    sure = f"{answer.confidence:.0%}" if answer.confidence < 0.995 else "over 99%"
    said = f"{answer.answer}, {sure} sure"
    yield from _draw(clip, example, playback, slice(begin), ("a new clip", "…"))
    named = (said, f"its nearest example of {answer.label}")
    yield from _draw(clip, example, playback, slice(begin, None), named)


def _draw(
    clip: Clip, example: Clip, playback: Playback, part: slice, captions: tuple[str, str]
) -> Iterator[Any]:
    weights = None if playback.weights is None else np.asarray(playback.weights[part])
    cut = Playback(frames=playback.frames[part], weights=weights, fps=playback.fps)
    data = [clip_data(clip), clip_data(example)]
    yield from draw_pictures(data, cut, captions=captions, look=LOOK)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
