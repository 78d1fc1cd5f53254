"""A pool: views of a pack as an imperfect sensor sees them, each with the vector it is to have.

Views and vectors cost far more time than a training step of a small encoder. A pool holds many of
them, made once by any number of processes; the network alone then sets the pace. The pool is
written block by block, so that a later call continues after a kill.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stars_infer.arrays import FloatArray
from stars_infer.atomic import write_text, written_beside
from stars_infer.errors import StarsError, UsageError, brief, check_range
from stars_infer.parallel import ordered_map
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.pools.nystrom import Nystrom, sequences_of_bodies
from stars_infer.train.views.config import ViewConfig
from stars_infer.train.views.mixing import borrow_limbs
from stars_infer.train.views.order import derive_seed
from stars_infer.train.views.views import Views

BLOCK = 512
"""Clips of a block."""
FACTS, LANDMARKS = "pool.json", "landmarks.npz"
SCHEMA = 1
_AT_ONCE = 128
"""Clips whose views are drawn at once."""
_BLOCKS, _LANDMARKS, _PAIRS = 0, 1, 2
"""What is drawn from the seed of a pool; each has seeds of its own."""
SENSOR = ViewConfig(
    frames=64, shortest_crop=0.25, shortest_frames=24, mirror=0.5, yaw=0.3, rotation=0.15,
    bone_lengths=0.1, posture=0.12, jitter=0.02, outliers=0.04, hidden_limbs=0.08,
    slowest_rate=0.4, reduced_layouts=0.5, hidden_legs=0.1, depth=0.2, stillness=0.3, repeats=0.1,
    reverse=0.2, face_camera=True, standard_body=True, pace=0.5,
)  # fmt: skip
"""Views of a pool: what people record, with the errors of their sensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """Everything that decides the clips of a pool.

    Attributes:
        pack: Path of the pack.
        split: Split of the pack whose train part is used; by default, all clips are used.
        width: Numbers of a vector.
        landmarks: Clips by whose similarity the vectors are made, and pairs of views of the same
            motion that say what differs between sensors; rounded up to multiples of 128.
        borrowed: Probability that a clip has limbs of another one, which makes new actions.
        seed: Decides all random numbers.
        views: Distribution of the views.
    """

    pack: str
    split: str | None = None
    width: int = 256
    landmarks: int = 1024
    borrowed: float = 0.4
    seed: int = 0
    views: ViewConfig = SENSOR

    def __post_init__(self) -> None:
        check_range("width", self.width, at_least=1, whole=True)
        check_range("landmarks", self.landmarks, at_least=self.width, whole=True)
        check_range("borrowed", self.borrowed, at_least=0, at_most=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Bodies and their vectors.

    Attributes:
        blocks: Records of a body (64, 25, 3) in meters and a vector (D,), float16.
        views: Distribution of the bodies.
        facts: How the pool was made.
    """

    blocks: tuple[NDArray[Any], ...]
    views: ViewConfig
    facts: dict[str, Any]

    @property
    def clips(self) -> range:
        """Numbers of the clips."""
        return range(len(self.blocks[0]) * len(self.blocks))

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.blocks[0].dtype["vector"].shape[0])

    def take(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Bodies (N, T, 25, 3) and vectors (N, D) of some clips, float32."""
        size = len(self.blocks[0])
        records = [self.blocks[number // size][number % size] for number in numbers.tolist()]
        bodies = np.stack([record["body"] for record in records])
        vectors = np.stack([record["vector"] for record in records])
        return torch.from_numpy(bodies).float(), torch.from_numpy(vectors).float()

    @classmethod
    def open(cls, folder: Path) -> Pool:
        """Open a pool, finished or still growing; clips are read when they are used.

        Raises:
            StarsError: If the folder is no pool, or has no clips yet.
        """
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            views = ViewConfig(**facts["config"]["views"])
            blocks = tuple(np.load(file, mmap_mode="r") for file in _block_files(folder))
            _check_blocks(blocks)
        except Exception as error:  # damage fails in NumPy and in the checks of views in many ways
            raise StarsError(f"{folder}: not a readable pool ({brief(error)})") from error
        if not blocks:
            raise StarsError(f"{folder}: no clip in this pool yet: run `stars train pool` again")
        return cls(blocks=blocks, views=views, facts=facts)


def _check_blocks(blocks: Sequence[NDArray[Any]]) -> None:
    """Make sure that blocks hold records of one form, and each the same number of them.

    Raises:
        ValueError: If they do not.
    """
    for block in blocks:
        fields: Mapping[str, Any] = block.dtype.fields or {}
        body = fields["body"][0].shape if "body" in fields else ()
        vector = fields["vector"][0].shape if "vector" in fields else ()
        if block.shape != blocks[0].shape or block.ndim != 1 or not len(block):
            raise ValueError(f"a block of form {block.shape}")
        if block.dtype != blocks[0].dtype or body[1:] != (25, 3) or len(vector) != 1:
            raise ValueError("a block of other records than bodies and vectors")


def make_pool(
    config: PoolConfig, out: Path, *, clips: int, workers: int = 1
) -> Iterator[tuple[int, int]]:
    """Make a pool, or add what it lacks.

    Args:
        config: What decides its clips.
        out: Folder of the pool.
        clips: How many to have in the end, rounded up to whole blocks.
        workers: Processes.

    Yields:
        How many clips there are, and how many there will be.

    Raises:
        StarsError: If the pack cannot be read.
        UsageError: If the folder holds the pool of another configuration, or is a file, or if the
            number of clips is not above 0.
    """
    check_range("clips", clips, at_least=1, whole=True)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; --out names the folder of the pool")
    sources = _open_pack(config.pack, config.split).facts.get("sources", [])
    settings = json.loads(json.dumps(asdict(config)))
    wanted = {"schema": SCHEMA, "sources": sources, "config": settings}
    facts = out / FACTS
    if facts.exists():
        try:
            same = json.loads(facts.read_text(encoding="utf-8")) == wanted
        except (ValueError, RecursionError):
            same = False
        if not same:
            raise UsageError(f"{out}: the pool of another configuration: name another --out")
    else:
        out.mkdir(parents=True, exist_ok=True)
        landmarks = _landmarks(config)
        with written_beside(out / LANDMARKS) as file:
            landmarks.save(file)
        write_text(facts, json.dumps(wanted))
    total = -(-clips // BLOCK)
    missing = [number for number in range(total) if not _block_file(out, number).exists()]
    done = total - len(missing)
    yield done * BLOCK, total * BLOCK
    jobs = [(config, out, number) for number in missing]
    for _ in ordered_map(_make_block, jobs, workers=workers, chunk=1):
        done += 1
        yield done * BLOCK, total * BLOCK


def _make_block(job: tuple[PoolConfig, Path, int]) -> None:
    """Draw the views of a block and compute their vectors."""
    config, out, number = job
    torch.set_num_threads(1)
    seen, clean = _drawn(config, number)
    records = np.empty(BLOCK, [("body", "<f2", seen.shape[1:]), ("vector", "<f2", (config.width,))])
    records["body"] = seen
    records["vector"] = _teacher(out / LANDMARKS).vectors(sequences_of_bodies(clean))
    with written_beside(_block_file(out, number)) as file, file.open("wb") as stream:
        np.save(stream, records)


def _drawn(config: PoolConfig, number: int) -> tuple[FloatArray, FloatArray]:
    """Bodies of a block as a sensor sees them, and as they are, (BLOCK, T, 25, 3)."""
    seed = derive_seed(config.seed, _BLOCKS, number)
    kinds = config.views, config.views.without_corruption()
    views = [_views(config, kind, seed) for kind in kinds]
    random = torch.Generator().manual_seed(seed)
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for step in range(BLOCK // _AT_ONCE):
        bodies = [_first_bodies(kind, step) for kind in views]
        mixed = borrow_limbs(torch.stack(bodies), config.borrowed, random)
        for part, some in zip(parts, mixed, strict=True):
            part.append(some)
    seen, clean = (torch.cat(part).numpy() for part in parts)
    return seen, clean


def _landmarks(config: PoolConfig) -> Nystrom:
    """Landmarks and pairs of views of the same motions, as sensors see them."""
    views = _views(config, config.views, derive_seed(config.seed, _LANDMARKS))
    steps = range(-(-config.landmarks // _AT_ONCE))
    landmarks = torch.cat([_first_bodies(views, step) for step in steps])
    same = replace(config.views, mirror=0.0, reverse=0.0, repeats=0.0, shortest_crop=0.5)
    views = _views(config, same, derive_seed(config.seed, _PAIRS), num_views=2)
    pairs = [torch.cat([_first_bodies(views, step, view) for step in steps]) for view in range(2)]
    one, other = (sequences_of_bodies(some.numpy()) for some in pairs)
    return Nystrom.fit(sequences_of_bodies(landmarks.numpy()), (one, other), width=config.width)


def _views(config: PoolConfig, kind: ViewConfig, seed: int, *, num_views: int = 1) -> Views:
    pack = _open_pack(config.pack, config.split)
    return Views(pack, kind, batch=_AT_ONCE, seed=seed, tokens=0, device="cpu", num_views=num_views)


def _first_bodies(views: Views, step: int, view: int = 0) -> Tensor:
    """The first body of each clip of a step, (B, T, 25, 3)."""
    batch = views.draw(step)[view]
    return batch.bodies[torch.searchsorted(batch.clip, torch.arange(batch.clips))]


@cache
def _open_pack(folder: str, split: str | None) -> Pack:
    pack = Pack.open(Path(folder))
    return pack if split is None else pack.part(split, "train")


@cache
def _teacher(file: Path) -> Nystrom:
    return Nystrom.load(file)


def _block_file(folder: Path, number: int) -> Path:
    return folder / f"block-{number:06}.npy"


def _block_files(folder: Path) -> Iterator[Path]:
    """Files of the blocks, up to the first that is missing."""
    number = 0
    while (file := _block_file(folder, number)).exists():
        yield file
        number += 1
