"""Moving pictures: GIF by Pillow, MP4 by PyAV; both come with the extra `view`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stars_infer.atomic import written_beside
from stars_infer.errors import MissingExtraError, StarsError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

GIF_FPS, MP4_FPS = 20.0, 30.0
"""Pictures per second; GIFs count in hundredths of a second, so that 30 is not one of theirs."""
MOST_PICTURES = 3000
"""Pictures that a file holds at most: 150 s of a GIF, 100 s of an MP4."""
_CODECS = ("libx264", "libopenh264", "mpeg4")
"""The best first; wheels of PyAV bring the first."""


def require_pictures(what: str, *, video: bool = False) -> None:
    """Make sure that pictures can be drawn, before anything is read for them.

    Args:
        what: What needs them.
        video: Whether MP4 is to be written.

    Raises:
        MissingExtraError: If a package is not installed.
    """
    needs = {"PIL": "pillow"} | ({"av": "av"} if video else {})
    missing = [package for module, package in needs.items() if find_spec(module) is None]
    if missing:
        raise MissingExtraError(what, "view", ", ".join(missing))


def check_length(pictures: int, path: Path) -> None:
    """Refuse what would be too long for a file that people look at.

    Raises:
        UsageError: If there are more than `MOST_PICTURES`.
    """
    if pictures > MOST_PICTURES:
        raise UsageError(
            f"{path}: {pictures:,} pictures are more than the {MOST_PICTURES:,} that such a file "
            "holds: cut the clip, or write a page (.html)"
        )


def write_gif(
    pictures: Iterable[Image], path: Path, *, colors: Sequence[str], fps: float = GIF_FPS
) -> None:
    """Write a GIF that is played again and again.

    Args:
        pictures: RGB pictures of one size, at least one.
        path: The file.
        colors: Those of the pictures, `#rrggbb`, at most 256; all others become the nearest.
        fps: Pictures per second.
    """
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette([int(one[at : at + 2], 16) for one in colors for at in (1, 3, 5)])

    def indexed() -> Iterator[Image.Image]:
        for picture in pictures:
            yield picture.quantize(palette=palette, dither=Image.Dither.NONE)

    drawn = indexed()
    first = next(drawn)

    with written_beside(path) as beside:
        first.save(
            beside,
            format="GIF",
            save_all=True,
            append_images=drawn,
            duration=round(100 / fps) * 10,
            loop=0,
            optimize=True,
            disposal=1,
        )


def write_mp4(pictures: Iterable[Image], path: Path, *, fps: float = MP4_FPS) -> None:
    """Write an MP4 that browsers and office programs play (H.264, 4:2:0).

    Args:
        pictures: RGB pictures of one size, at least one; an odd row or column is cut off.
        path: The file.
        fps: Pictures per second.

    Raises:
        StarsError: If the installed PyAV has no encoder for it.
    """
    import av

    codec = next((name for name in _CODECS if name in av.codecs_available), None)
    if codec is None:
        raise StarsError(f"{path}: this PyAV has none of the encoders {', '.join(_CODECS)}")
    drawn = iter(pictures)
    first = next(drawn)
    frames: Any = av.VideoFrame
    with written_beside(path) as beside, av.open(str(beside), "w", format="mp4") as file:
        stream: Any = file.add_stream(codec, rate=round(fps))
        stream.width, stream.height = (side - side % 2 for side in first.size)
        stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            stream.options = {"crf": "20", "preset": "medium"}
        for picture in chain([first], drawn):
            even = picture.crop((0, 0, stream.width, stream.height))
            file.mux(stream.encode(frames.from_image(even)))
        file.mux(stream.encode(None))
