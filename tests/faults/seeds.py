"""Small good files of every format, and of every file of its own that the product reads."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import asdict
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import stars_infer.layouts
from stars_infer.encoder.model import INFO_FILE, shipped_models
from stars_infer.layouts import get_layout
from stars_infer.runtimes.runtime import RuntimeChoice
from stars_infer.runtimes.saved import SCHEMA, SavedRuntime
from stars_infer.synthetic.actions import perform
from stars_infer.synthetic.files import skeleton_text
from tests.stars_infer.readers.mocap_files import moving
from tests.stars_infer.readers.test_damage import CONTENTS
from tests.stars_infer.readers.test_json import marks
from tests.stars_infer.readers.test_mocap_damage import KINDS, content
from tests.stars_infer.readers.test_tables import wide

NEEDS = {".c3d": "c3d", ".h5": "h5py", ".mat": "scipy", ".fbx": "scipy", ".glb": "scipy",
         ".gltf": "scipy", ".parquet": "pyarrow", "checkpoint": "safetensors",
         "import": "torch", "recipe": "torch", "pack": "torch", "pool": "torch",
         "block": "torch", "landmarks": "torch", "result": "torch", "scores": "torch",
         "start": "torch"}  # fmt: skip
"""Packages without which a kind is not read."""
OWN = ("layout", "recipe", "model", "runtime", "pack", "checkpoint", "import", "skeleton of .amc",
       "engine", "collection", "pool", "block", "landmarks", "result", "scores",
       "start")  # fmt: skip
"""Files that are no clips."""
_KINECT = get_layout("kinect20").joints


def _saved(**arrays: object) -> bytes:
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)  # type: ignore[arg-type]
    return written.getvalue()


def _clips() -> dict[str, bytes]:
    wave = perform("wave", np.random.default_rng(0))
    wave = (wave if wave.ndim == 4 else wave[None])[:, :6]
    array = io.BytesIO()
    np.save(array, wave)
    kinect = moving("kinect20", frames=4)
    world = np.tile(kinect, (1, 2, 1))[:, :33]
    world = world - world[:, 23:25].mean(axis=1, keepdims=True)
    seen = [marks(points) for points in world]
    made = {
        ".json mediapipe": json.dumps(seen).encode(),
        ".jsonl mediapipe": "\n".join(map(json.dumps, seen)).encode(),
        ".skeleton": skeleton_text(wave).encode(),
        ".npy": array.getvalue(),
        ".npz joints": _saved(joints=wave[0], layout="ntu25", units="m", fps=30.0),
        ".npz names": _saved(
            joints=kinect, joint_names=np.array(_KINECT), confidence=np.ones(kinect.shape[:2])
        ),
        ".csv spaces": "\n".join(
            " ".join(f"{value:.4f}" for value in frame.ravel()) for frame in kinect
        ).encode(),
        ".txt rows of joints": "\n".join(
            " ".join(f"{value:.4f}" for value in row) for row in kinect.reshape(-1, 3)
        ).encode(),
        ".csv motive": _motive(kinect).encode(),
        ".json printed": _printed(kinect).encode(),
        ".pkl protocol 2": pickle.dumps(
            {"annotations": [{"frame_dir": "a", "keypoint": wave.astype(np.float16)}]}, 2
        ),
    }
    if find_spec("pyarrow"):
        made[".parquet"] = _parquet(kinect)
    for kind in KINDS:
        if find_spec(NEEDS.get(kind.split()[0], "numpy")):
            made[kind] = content(kind)
    return {**CONTENTS, **made}


def _motive(points: np.ndarray) -> str:
    names = [name for name in _KINECT for _ in "xyz"]
    rows = [
        "Format Version,1.23,Take Name,a,Capture Frame Rate,120,Length Units,Meters",
        "",
        ",,Type" + ",Bone" * len(names),
        ",,Name," + ",".join(f"a:{name}" for name in names),
        ",,ID" + ",1" * len(names),
        ",," + ",".join(["Position"] * len(names)),
        "Frame,Time (Seconds)," + ",".join("XYZ"[at % 3] for at in range(len(names))),
        *(f"{n},{n / 120:.6f}," + ",".join(f"{v:.5f}" for v in frame.ravel())
          for n, frame in enumerate(points)),
    ]  # fmt: skip
    return "\n".join(rows) + "\n"


def _printed(points: np.ndarray) -> str:
    marks = ", ".join(
        f"Landmark(x={x:.3f}, y={y:.3f}, z={z:.3f}, visibility=0.9, presence=0.9)"
        for x, y, z in np.tile(points[0], (2, 1))[:33]
    )
    one = f"PoseLandmarkerResult(pose_landmarks=[], pose_world_landmarks=[[{marks}]])"
    return f"{one}\n{one}\n"


def _parquet(points: np.ndarray) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    written = io.BytesIO()
    parquet.write_table(pa.table(wide(points[None], _KINECT)), written)
    return written.getvalue()


def _own() -> dict[str, bytes]:
    model = next(iter(shipped_models().values()))
    choice = RuntimeChoice(device="cpu", threads=1)
    saved = SavedRuntime(choice=choice, model="m", fingerprint="f", cpu="c",
                         clips_per_second=10.0, measured="2026-01-01")  # fmt: skip
    folder = Path(stars_infer.layouts.__file__).parent
    made = {
        "layout": (folder / "kinect20.toml").read_bytes(),
        "model": (model / INFO_FILE).read_bytes(),
        "runtime": json.dumps({"schema": SCHEMA, **asdict(saved)}).encode(),
        "skeleton of .amc": _asf(),
        "engine": json.dumps({"schema": 1, "gpu": "G", "capability": "9.0", "tensorrt": "10",
                              "precision": "fp16", "batches": [1, 4, 8], "graph": "a",
                              "engine": "b", "smallest_cosine": 0.99}).encode(),
        "collection": _saved(embeddings=np.ones((2, 4), np.float32), sources=np.array(["a", "b"]),
                             labels=np.array(["x", "y"]), flat=np.zeros(2, bool)),
    }  # fmt: skip
    if find_spec("torch"):
        made |= _of_training()
    return made


def _asf() -> bytes:
    from tests.stars_infer.readers.mocap_files import asf

    return asf().encode()


def _of_training() -> dict[str, bytes]:
    import torch
    from safetensors.torch import save

    from stars_infer.train import recipe
    from stars_infer.train.checkpoint import SCHEMA as CHECKPOINT
    from tests import public_mamp

    pack = {
        "schema": 1, "splits": {"xsub": {"train": [0], "test": [1]}}, "fps": 30.0,
        "clips": [
            {"start": 4 * n, "frames": 4, "bodies": 1, "label": "a", "subject": "s", "source": "c"}
            for n in range(2)
        ],
    }  # fmt: skip
    header = {"schema": CHECKPOINT, "config": {"method": "mamp"}, "step": 1, "history": {}}
    public = io.BytesIO()
    weights = public_mamp.random_weights(width=8, depth=1, segments=2)
    torch.save({"model": weights, "epoch": 1}, public)
    recipes = Path(recipe.__file__).parent / "recipes"
    return {
        "recipe": sorted(recipes.glob("*stars*.toml"))[0].read_bytes(),
        "pack": json.dumps(pack).encode(),
        "checkpoint": save(
            {"encoder.norm.weight": torch.ones(4), "queue": torch.zeros(2, 4)},
            metadata={"stars": json.dumps(header)},
        ),
        "import": public.getvalue(),
        **_of_pools(),
        **_of_results(),
        "start": _start(),
    }


def _of_pools() -> dict[str, bytes]:
    from stars_infer.train.pools.pool import SENSOR

    block = np.zeros(4, [("body", "<f2", (8, 25, 3)), ("vector", "<f2", (6,))])
    written = io.BytesIO()
    np.save(written, block)
    random = np.random.default_rng(0)
    return {
        "pool": json.dumps({"schema": 1, "sources": ["a"], "config": {
            "pack": "p", "views": asdict(SENSOR)}}).encode(),
        "block": written.getvalue(),
        "landmarks": _saved(landmarks=random.normal(size=(5, 4, 6)), center=np.zeros(3),
                            projection=random.normal(size=(5, 3)), whitening=np.eye(3)),
    }  # fmt: skip


def _of_results() -> dict[str, bytes]:
    from stars_infer.train.protocols.results import SCHEMA as RESULT
    from stars_infer.train.protocols.results import SCORES

    names = ("protocol", "data", "split", "dataset", "source", "run", "method")
    return {
        "result": json.dumps({"schema": RESULT, "arrays": "r.npz", "notes": [],
                              **dict.fromkeys(names, "a")}).encode(),
        "scores": _saved(**{
            "classes": np.array(["x", "y"]), "labels": np.array([0, 1]),
            "embedding": np.ones((2, 3), np.float32), f"{SCORES}seed 1": np.eye(2),
        }),
    }  # fmt: skip


def _start() -> bytes:
    import torch
    from safetensors.torch import save

    from stars_infer.train.checkpoint import SCHEMA as CHECKPOINT
    from stars_infer.train.networks.build import build_encoder
    from stars_infer.train.networks.encoder_config import EncoderConfig
    from stars_infer.train.run import LoopConfig, RunConfig

    shape = EncoderConfig(width=8, depth=1, heads=2)
    config = RunConfig(method="mamp", data="x", clips=3, loop=LoopConfig(batch=1), encoder=shape)
    header = {"schema": CHECKPOINT, "config": config.to_json(), "step": 1, "history": {}}
    weights = build_encoder(shape).state_dict()
    return save(
        {f"encoder.{name}": torch.zeros_like(value) for name, value in weights.items()},
        metadata={"stars": json.dumps(header)},
    )


@lru_cache
def seeds() -> dict[str, bytes]:
    """Good files by their kind: the ending of a clip's file and its form, or one of `OWN`."""
    return {**_clips(), **_own()}
