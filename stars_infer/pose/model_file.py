"""The file of MediaPipe's pose model: where it lies, and how it is fetched when the user asks.

Nothing is fetched unless `download_pose_model` is called, as `stars pose --download` does.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stars_infer.atomic import written_beside
from stars_infer.errors import ModelError, UsageError, brief

VARIABLE = "STARS_POSE_MODEL"
DEFAULT = "full"
LICENSE = "Apache License 2.0, Google"
_ADDRESS = (
    "https://storage.googleapis.com/mediapipe-models/pose_landmarker/"
    "pose_landmarker_{name}/float16/1/pose_landmarker_{name}.task"
)
_INSIDE = "pose_landmarks_detector.tflite"
_TIMEOUT = 30.0
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseModel:
    """A model that MediaPipe publishes.

    Attributes:
        name: Its short name.
        sha256: SHA-256 of its file.
        size: Bytes of its file.
    """

    name: str
    sha256: str
    size: int

    @property
    def address(self) -> str:
        """Where it is fetched from."""
        return _ADDRESS.format(name=self.name)

    @property
    def path(self) -> Path:
        """Where it lies once it was fetched, in the user's settings folder."""
        from typer import get_app_dir

        return Path(get_app_dir("stars-infer")) / f"pose_landmarker_{self.name}.task"


MODELS = {
    model.name: model
    for model in (
        PoseModel(
            name="lite",
            sha256="59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
            size=5_777_746,
        ),
        PoseModel(
            name="full",
            sha256="5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
            size=9_398_198,
        ),
        PoseModel(
            name="heavy",
            sha256="64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
            size=30_664_242,
        ),
    )
}
"""The published models, the fastest first."""


def find_pose_model(given: str | None = None) -> Path:
    """Find the file of a pose model.

    Args:
        given: A `.task` file, or the name of a published model that was fetched; the environment
            variable `STARS_POSE_MODEL`, else `full`, else any that was fetched, if not given.

    Raises:
        ModelError: If it is not there, or is no pose landmarker; the message says what to do.
    """
    said = given or os.environ.get(VARIABLE) or ""
    if said and said not in MODELS:
        return _checked(Path(said).expanduser())
    wanted = [MODELS[said]] if said else [MODELS[DEFAULT], *MODELS.values()]
    found = next((model for model in wanted if model.path.is_file()), None)
    if found is None:
        missing = wanted[0]
        raise ModelError(
            f"the pose model {missing.name!r} is not here: `stars pose --download` fetches it once "
            f"({missing.size / 1e6:.0f} MB, {LICENSE}), or pass a .task file with --pose-model or "
            f"{VARIABLE}"
        )
    return _checked(found.path)


def _checked(path: Path) -> Path:
    if not path.is_file():
        names = ", ".join(MODELS)
        raise ModelError(f"pose model {path}: no such file; name a .task file, or {names}")
    try:
        with zipfile.ZipFile(path) as bundle:
            inside = bundle.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise ModelError(
            f"pose model {path}: damaged, or no .task file of MediaPipe ({brief(error)})"
        ) from error
    if _INSIDE not in inside:
        raise ModelError(
            f"pose model {path}: holds {', '.join(inside)[:80] or 'nothing'} and no {_INSIDE}, so "
            "it is the model of another task: use a pose_landmarker .task file"
        )
    return path


def download_pose_model(
    name: str = DEFAULT, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Fetch a published model once, and check its SHA-256.

    Args:
        name: One of `MODELS`.
        progress: Called with the bytes that are there, and all.

    Returns:
        Its file; if it is there already, nothing is fetched.

    Raises:
        UsageError: If there is no model of this name.
        ModelError: If it cannot be fetched or kept, or is not the file that was published.
    """
    if name not in MODELS:
        raise UsageError(f"pose model {name!r}: `--download` fetches {', '.join(MODELS)}")
    model = MODELS[name]
    path = model.path
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256:
        return path
    content = _fetch(model, progress)
    digest = hashlib.sha256(content).hexdigest()
    if digest != model.sha256:
        raise ModelError(
            f"{model.address}: SHA-256 is {digest}, not {model.sha256}; nothing was kept: "
            "something on the way changed it"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path


def _fetch(model: PoseModel, progress: Callable[[int, int], None] | None) -> bytes:
    content = bytearray()
    try:
        with urllib.request.urlopen(model.address, timeout=_TIMEOUT) as answer:
            while len(content) <= model.size and (block := answer.read(_BLOCK)):
                content += block
                if progress is not None:
                    progress(min(len(content), model.size), model.size)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"{model.address}: cannot be fetched ({reason}); without a network, fetch it elsewhere "
            f"and pass it with --pose-model or {VARIABLE}"
        ) from error
    return bytes(content)
