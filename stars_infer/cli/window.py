"""A window that shows a video or a camera, the people in it, and words; none without a desktop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stars_infer.cli.output import Output
from stars_infer.errors import StarsError

if TYPE_CHECKING:
    from stars_infer.streaming.classifier import StreamAnswer
    from stars_infer.streaming.video import View

WindowFlag = Annotated[
    bool, typer.Option("--window/--no-window", help="Show the picture in a window.")
]
CameraOption = Annotated[
    int | None, typer.Option("--camera", min=0, metavar="N", help="A camera, from 0, as source.")
]
_TITLE = "stars"
_KEYS = (27, ord("q"))
"""Keys that close the window: escape and q."""


class Window:
    """A window of OpenCV's."""

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2
        self._last: object = None
        cv2.namedWindow(_TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)

    def show(
        self, frame: Any, *, layout: str, words: Sequence[str], share: float | None = None
    ) -> None:
        """Show a frame, if it is a new one, and take the keys.

        Args:
            frame: A `SeenFrame`; None to take the keys only.
            layout: Joint layout of its people.
            words: Lines at the top.
            share: Length of a bar, 0 to 1.

        Raises:
            KeyboardInterrupt: If the user closes the window, as by Ctrl-C.
        """
        from stars_infer.pose.drawing import draw_frame

        if frame is not None and frame is not self._last:
            image = draw_frame(frame, layout=layout, words=words, share=share)
            self._cv2.imshow(_TITLE, image[:, :, ::-1])
            self._last = frame
        key = self._cv2.waitKey(1) & 0xFF
        shown = self._cv2.getWindowProperty(_TITLE, self._cv2.WND_PROP_VISIBLE) >= 1
        if key in _KEYS or (self._last is not None and not shown):
            raise KeyboardInterrupt

    def close(self) -> None:
        """Close it."""
        self._cv2.destroyAllWindows()


def show_answers(window: Window, view: View) -> Callable[[Sequence[StreamAnswer]], None]:
    """Show a video or a camera with the answers of a stream: label and confidence."""
    from stars_infer.clips.people import people_in_words

    def show(answers: Sequence[StreamAnswer]) -> None:
        words = [
            f"{people_in_words(answer.people) + ': ' if answer.people else ''}{answer.answer}"
            f"  {answer.confidence:.2f}"
            for answer in answers
        ]
        share = answers[0].confidence if len(answers) == 1 else None
        window.show(view.frame, layout=view.layout, words=words, share=share)

    return show


@contextmanager
def open_window(output: Output, *, wanted: bool) -> Iterator[Window | None]:
    """Open a window, if it is wanted and can be had; a note says why there is none."""
    window = _window_or_none(output) if wanted else None
    try:
        yield window
    finally:
        if window is not None:
            window.close()


def _window_or_none(output: Output) -> Window | None:
    from stars_infer.pose.pictures import opencv

    desktop = sys.platform in ("win32", "darwin") or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))
    )
    if not desktop:
        output.note("note: no window, as there is no desktop")
        return None
    try:
        cv2 = opencv()
        return Window(cv2)
    except StarsError:
        raise
    except Exception as error:  # cv2.error, whose class is known only where OpenCV is installed
        output.note(f"note: no window: {str(error).strip().splitlines()[-1][:120]}")
        return None
