"""Evaluation sets made of motion capture: actions that invented people perform before a sensor.

The curves of confidence are fitted to these, so that they owe nothing to the sets on which they are
judged. An action is a window of a recording; in part it is a relative of another one, as real
actions are: the mirror image, the same backward, or with the arms or the legs of a third. Every
person has a posture, vigor and pace of their own, every take is a little different, and the errors
of the sensor are those of `stars train pool`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sets import EvaluationSet
from torch import Tensor

from stars_infer.arrays import FloatArray
from stars_infer.clips.clip import DEFAULT_FPS, Clip
from stars_infer.layouts import NTU25_JOINTS
from stars_infer.train.datasets.pack import SourceClip
from stars_infer.train.datasets.sources import Windows, clips_of
from stars_infer.train.views import sensor
from stars_infer.train.views.augment import mirror, rotations
from stars_infer.train.views.corruption import stretch_bones
from stars_infer.train.views.mixing import BODY_PARTS
from stars_infer.train.views.normalize import PARTS_OF_CHAIN, bones, rebuild

ARCHIVES = (
    "cmu.npz", "cmu-more.npz", "cmu-91.npz", "skillmimic.npz", "deepmimic.npz",
    "mesh2motion-base.npz", "mesh2motion-addon.npz",
)  # fmt: skip
"""Recordings that actions are taken from; HDM05 is an evaluation set, and not among them."""
SETS = 12
_WINDOWS = Windows(seconds=3.0, stride=1.5, shortest=1.0, face_camera=True)
_FRAMES = 64
_LEAST_MOTION = 0.15
"""Least mean speed of the joints about the hips, meters per second, of a window that is an
action."""
_ASKERS, _ASKED_TAKES, _TAUGHT_TAKES = 3, 2, 6
_JOINTS = len(NTU25_JOINTS)
_PARTS = (("left arm", "right arm"), ("left leg", "right leg"), ("left arm",), ("right arm",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variety:
    """How different the takes of an action are; angles in radians, the rest in logarithms.

    Attributes:
        scale: Multiplies all others; sets differ in it.
        posture: Angles of bones that a person has in every action.
        manner: Angles of bones that a person has in one action.
        take: The same of a single take.
        sway: Angles that change during a take.
        vigor: By how much a person's, and half of it a take's, motion is larger or smaller.
        pace: By how much the pace changes during a take.
        cut: Largest share of the window that is missing at either end.
    """

    scale: float = 1.0
    posture: float = 0.07
    manner: float = 0.07
    take: float = 0.04
    sway: float = 0.06
    vigor: float = 0.2
    pace: float = 0.3
    cut: float = 0.12


def simulated_sets(
    folder: Path, *, sets: int = SETS, seed: int = 0, scales: tuple[float, float] = (0.5, 1.5)
) -> Iterator[EvaluationSet]:
    """Make sets of actions.

    Args:
        folder: Holds the archives, or some of them.
        sets: How many.
        seed: Of all random numbers.
        scales: Least and largest `Variety.scale`.
    """
    windows = moving_windows(folder)
    for number in range(sets):
        random = np.random.default_rng([seed, number])
        scale = float(np.exp(random.uniform(*np.log(scales))))
        yield simulated_set(f"simulated {number + 1}", windows, Variety(scale=scale), random)


def moving_windows(folder: Path) -> list[SourceClip]:
    """Windows in which a body moves, of all recordings of a folder."""
    found = []
    for name in ARCHIVES:
        if (folder / name).is_file():
            cut = clips_of(folder / name, layout=None, windows=_WINDOWS, skip=lambda error: None)
            found += [window for window in cut if _speed(window.actors[0]) >= _LEAST_MOTION]
    return found


def simulated_set(
    name: str, windows: Sequence[SourceClip], variety: Variety, random: np.random.Generator
) -> EvaluationSet:
    """A set of 8 to 28 actions, of which one, two or five people may show examples."""
    actions = drawn_actions(windows, int(random.integers(8, 29)), random)
    teachers = int(random.choice((1, 2, 5)))
    torch_random = torch.Generator().manual_seed(int(random.integers(2**31)))
    takes = -(-_TAUGHT_TAKES // teachers)
    performers = [(person, takes) for person in range(teachers)]
    performers += [(person, _ASKED_TAKES) for person in range(teachers, teachers + _ASKERS)]
    bodies, labels, asked = [], [], []
    postures = [_angles(torch_random) * variety.posture for _ in performers]
    vigors = [variety.vigor * float(random.normal()) for _ in performers]
    for number, action in enumerate(actions):
        for person, count in performers:
            manner = postures[person] + variety.manner * _angles(torch_random)
            for _ in range(count):
                bodies.append(_take(action, manner, vigors[person], variety, random, torch_random))
                labels.append(f"action {number:02}")
                asked.append(person >= teachers)
    seen = _through_sensor(torch.stack(bodies), torch_random, random)
    query = np.array(asked)
    return EvaluationSet(
        name=name,
        clips=[_clip(body) for body in seen.numpy()],
        labels=labels,
        exemplar=~query,
        query=query,
    )


def drawn_actions(
    windows: Sequence[SourceClip], count: int, random: np.random.Generator
) -> list[Tensor]:
    """Windows of different actions, half to all of them relatives of others, (64, 25, 3) each."""
    related = random.uniform(0.5, 1.0)
    by_label: dict[str, list[int]] = {}
    for position, window in enumerate(windows):
        by_label.setdefault(window.label, []).append(position)
    labels = list(by_label)
    chosen = random.permutation(len(labels))[:count]
    drawn = [
        _resized(windows[int(random.choice(by_label[labels[number]]))].actors[0])
        for number in chosen
    ]
    for at in range(1, len(drawn)):
        if random.random() < related:
            drawn[at] = _relative(drawn, at, random)
    return drawn


def _relative(drawn: Sequence[Tensor], at: int, random: np.random.Generator) -> Tensor:
    """Another action mirrored or backward, or the first one with limbs of this one."""
    other, kind = drawn[int(random.integers(at))], int(random.integers(5))
    if kind == 0:
        return mirror(other[None], torch.tensor([True]))[0]
    if kind == 1:
        return other.flip(0)
    joints = torch.zeros(_JOINTS, dtype=torch.bool)
    for part in _PARTS[int(random.integers(len(_PARTS)))]:
        joints[list(BODY_PARTS[part])] = True
    theirs, own = bones(drawn[at][None]), bones(drawn[0][None])
    return rebuild(drawn[0][None], torch.where(joints[:, None], theirs, own))[0]


def _take(
    action: Tensor,
    manner: Tensor,
    vigor: float,
    variety: Variety,
    random: np.random.Generator,
    torch_random: torch.Generator,
) -> Tensor:
    """One performance of an action."""
    scale = variety.scale
    times = _times(variety, random)
    body = action[times.floor().long().clamp(max=_FRAMES - 2)]
    after = action[(times.floor().long() + 1).clamp(max=_FRAMES - 1)]
    body = torch.lerp(body, after, (times % 1)[:, None, None])
    still = body.mean(0, keepdim=True)
    larger = float(np.exp(scale * (vigor + variety.vigor / 2 * random.normal())))
    body = rebuild((still + larger * (body - still))[None], _like_bones(body, still, larger))[0]
    phase = 2 * torch.pi * torch.rand(_JOINTS, 3, generator=torch_random)
    waves = torch.arange(_FRAMES)[:, None, None] / _FRAMES * 2 * torch.pi * random.uniform(0.5, 2)
    sway = variety.sway * _angles(torch_random) * (waves + phase).sin()
    return _turned(body, scale * (manner + variety.take * _angles(torch_random) + sway))


def _times(variety: Variety, random: np.random.Generator) -> Tensor:
    """Frames of the action that a take shows, (64,), ascending."""
    knots = np.exp(variety.scale * variety.pace * random.normal(size=5))
    pace = np.interp(np.linspace(0, 4, _FRAMES), np.arange(5), knots)
    path = np.cumsum(pace)
    path = (path - path[0]) / (path[-1] - path[0])
    start, end = min(1.0, variety.scale) * variety.cut * random.random(2)
    return torch.from_numpy((start + (1 - start - end) * path) * (_FRAMES - 1)).float()


def _like_bones(body: Tensor, still: Tensor, larger: float) -> Tensor:
    """Bones of a motion that is larger about its mean, with the lengths that they had."""
    own, mean = bones(body[None]), bones(still[None])
    lengths = own.norm(dim=3, keepdim=True)
    changed = mean + larger * (own - mean)
    return changed / changed.norm(dim=3, keepdim=True).clamp(min=1e-6) * lengths


def _turned(body: Tensor, angles: Tensor) -> Tensor:
    """Turn the bones (64, 25, 3) of a body by angles (64, 25, 3), which add up along the chain."""
    turns = rotations((PARTS_OF_CHAIN.like(body) @ angles).flatten(0, 1))
    turned = torch.einsum(
        "tvij,tvj->tvi", turns.view(len(body), _JOINTS, 3, 3), bones(body[None])[0]
    )
    return rebuild(body[None], turned[None])[0]


def _through_sensor(
    bodies: Tensor, torch_random: torch.Generator, random: np.random.Generator
) -> Tensor:
    """Bodies (N, 64, 25, 3) as one sensor sees them, with the errors of a set of its own."""
    count = len(bodies)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=torch_random)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=torch_random)

    bodies = stretch_bones(bodies, normal(count, _JOINTS), 0.1)
    bodies = sensor.hide_limbs(bodies, uniform(count, 3, len(sensor.LIMBS)), 0.05)
    bodies = sensor.scale_depth(bodies, (0.1 * normal(1).expand(count)).exp())
    jitter = 0.02 * random.random() * torch.ones(count)
    bodies = bodies + sensor.scale_jitter(normal(count, _FRAMES, _JOINTS, 3), jitter)
    bodies = sensor.add_outliers(
        bodies, normal(count, _JOINTS, 3), uniform(count, 3, _JOINTS), 0.03
    )
    layout = int(random.integers(-1, 1)) * torch.ones(count, dtype=torch.long)
    bodies = sensor.reduce_layouts(bodies, layout)
    tilt = 0.1 * normal(1, 3) + 0.05 * normal(count, 3)
    return torch.einsum("nij,ntvj->ntvi", rotations(tilt), bodies)


def _angles(random: torch.Generator) -> Tensor:
    return torch.randn(_JOINTS, 3, generator=random)


def _resized(body: FloatArray) -> Tensor:
    """A body of T frames at 64, (64, 25, 3)."""
    at = np.linspace(0, len(body) - 1, _FRAMES)
    low = np.minimum(at.astype(np.intp), len(body) - 2)
    weight = (at - low)[:, None, None]
    return torch.from_numpy(np.float32((1 - weight) * body[low] + weight * body[low + 1]))


def _speed(body: FloatArray) -> float:
    about: NDArray[np.float32] = body - body[:, :1]
    return float(np.linalg.norm(np.diff(about, axis=0), axis=2).mean()) * DEFAULT_FPS


def _clip(body: FloatArray) -> Clip:
    return Clip.from_array(body[None].astype(np.float32), source="simulated")
