"""Export clips to the viewer of rerun: a file `.rrd`, by the package `rerun-sdk` (extra `rerun`).

Only its file writer is used. No viewer is started and no port opened; what rerun tells of its use
is sent by its viewer alone, which has a switch of its own (`rerun analytics disable`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from stars_infer.atomic import written_beside
from stars_infer.errors import MissingExtraError, StarsError
from stars_infer.inspection import style
from stars_infer.inspection.playback import Playback

_RADIUS = 0.012


def require_rerun(what: str) -> None:
    """Make sure that rerun's package is there.

    Raises:
        MissingExtraError: If it is not.
    """
    if find_spec("rerun") is None:
        raise MissingExtraError(what, "rerun", "rerun-sdk")


def write_rrd(clips: Sequence[dict[str, Any]], playback: Playback, path: Path) -> None:
    """Write clips as rerun plays them, on the timeline `time`, beside each other.

    Args:
        clips: What `stars_infer.inspection.clip_data.clip_data` makes of each clip.
        playback: Which frames are shown when.
        path: The file.

    Raises:
        StarsError: If rerun wrote nothing, as with RERUN=off in the environment.
    """
    import rerun

    with written_beside(path) as beside:
        stream = rerun.RecordingStream("stars_infer", send_properties=False)
        stream.save(beside)
        stream.log("/", rerun.ViewCoordinates.RIGHT_HAND_Y_UP, static=True)
        shift = 0.0
        for number, clip in enumerate(clips):
            shift += _width(clip) / 2 if number else 0.0
            _log_clip(rerun, stream, number, clip, playback, shift)
            shift += _width(clip) / 2
        stream.flush()
        stream.disconnect()
        if not beside.exists() or not beside.stat().st_size:
            raise StarsError(f"{path}: rerun wrote nothing; is RERUN=off in the environment?")


def _log_clip(
    rerun: Any, stream: Any, number: int, clip: dict[str, Any], playback: Playback, shift: float
) -> None:
    """Log one clip under its number and name, moved along x."""
    bones = np.array(clip["bones"])
    places = _places(clip)
    moved = np.array([shift, 0, 0]) - _middle(places) * [number > 0, 0, number > 0]
    name = "".join(one if one.isalnum() or one in "-_." else "_" for one in clip["name"])[-80:]
    for at, body in enumerate(clip["bodies"]):
        entity = f"/{number}_{name}/body_{body['number']}"
        colors = [_rgb(style.LIMBS[clip["sides"][child]][at % 3]) for _, child in clip["bones"]]
        for picture, frames in enumerate(playback.frames[:, number].tolist()):
            stream.set_time("time", duration=picture / playback.fps)
            pose = body["poses"][frames]
            if pose is None:
                stream.log(entity, rerun.Clear(recursive=True))
                continue
            points = np.array(pose, np.float32).reshape(-1, 3) / 1000 + moved
            radius = _RADIUS * clip["person"]
            lines = rerun.LineStrips3D(points[bones], colors=colors, radii=radius)
            stream.log(f"{entity}/bones", lines)
            stream.log(
                f"{entity}/joints",
                rerun.Points3D(
                    points, labels=clip["joints"], show_labels=False, radii=1.3 * radius
                ),
            )


def _places(clip: dict[str, Any]) -> Any:
    poses = [pose for body in clip["bodies"] for pose in body["poses"] if pose]
    return np.array(poses, np.float64).reshape(-1, 3) / 1000


def _middle(places: Any) -> Any:
    return places.mean(axis=0)


def _width(clip: dict[str, Any]) -> float:
    places = _places(clip)
    low, high = np.quantile(places[:, 0], (0.01, 0.99))
    return float(high - low) + 0.8 * float(clip["person"])


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
