"""How a model compares sequences: which kernels, of which parts, with which weights.

People perform an action at different speeds, with either hand, once or twice; recordings begin too
early, end too soon, and are tilted. No single way of comparing forgives all of that. Several do
together: each kernel turns the warping distance between parts of two clips into a number from 0 to
1, and the mean of all kernels counts.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError, check_range
from stars_infer.preprocessing.prepare import Preprocessing
from stars_infer.similarity.modes import MODE_COUNT

POSTURE = 3 * MODE_COUNT
"""Numbers of a posture: x, y and z of each mode."""
SEQUENCE_FORM = 3
"""Changes when the same settings make other sequences."""

STEPS = 32
"""Steps of a sequence: with half as many accuracy is up to seven points lower."""

NORMALIZED = Preprocessing(frames=64, crop=1.0, standard_body=True, pace=0.5)
"""Preprocessing that removes what differs between people who perform the same action."""

WHOLE, FIRST, LAST, MIDDLE = "whole", "first half", "last half", "middle half"
PARTS = (WHOLE, FIRST, LAST, MIDDLE)
"""Parts of a sequence: all of it, and halves of it, which are stretched to as many steps."""

MOVING, UNTURNED, DEVIATION = "posture, motion and path", "as recorded", "deviation from the mean"
CONTENTS = (MOVING, UNTURNED, DEVIATION)
"""What is compared of each step: posture, motion and the path of the hips of an upright person who
faces the camera; posture and motion as they were recorded; or the posture of a person who faces the
camera less its mean over the clip, which forgives sensors that distort a limb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """exp(-dissimilarity / width) of a part of a clip and a part of an exemplar.

    Attributes:
        content: One of `CONTENTS`.
        clip: Which part of the clip, one of `PARTS`.
        exemplar: Which part of the exemplar.
        width: Width of the kernel, a quarter of the usual dissimilarity of different actions.
        weight: Weight in the mean of the kernels.
    """

    content: str = MOVING
    clip: str = WHOLE
    exemplar: str = WHOLE
    width: float = 0.075
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.content not in CONTENTS:
            raise UsageError(f"content {self.content!r}: choose one of {', '.join(CONTENTS)}")
        for part in (self.clip, self.exemplar):
            if part not in PARTS:
                raise UsageError(f"part {part!r}: choose one of {', '.join(PARTS)}")
        check_range("width", self.width, at_least=0.005, at_most=10)
        check_range("weight", self.weight, at_least=0.001, at_most=1000)


KERNELS = (
    Kernel(content=UNTURNED),
    Kernel(content=DEVIATION, width=0.16),
    *(Kernel(exemplar=half) for half in (FIRST, LAST, MIDDLE)),
    *(Kernel(clip=half) for half in (FIRST, LAST, MIDDLE)),
)
"""The last six compare a clip that shows half of the action, or the action twice, or more than the
action."""
MIRROR = Kernel()
"""What a mirrored clip is compared by: all of it. Where clips are compared as they are, that would
add nothing to the halves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceConfig:
    """How a model compares clips by sequences; stored in `model.json`.

    Attributes:
        preprocessing: How clips are prepared for the sequence, independently of the encoder.
        steps: Number of steps of the sequence, S, a multiple of 4; the frames of a prepared clip
            are a multiple of S.
        kernels: What is compared.
        mirror: What a mirrored clip is compared by.
        kernel_width: Width of the kernel of `stars_infer.classification.classifiers.Ridge`. It only
            scales similarities: with it, the kernel of the ridge is the mean of `kernels`.
        temperature: Temperature of `stars_infer.classification.classifiers.Vote`.
        vector_weight: Weight of the kernel of vectors beside that of sequences, which has the rest
            to 1; with 0, vectors do not count and need not be made.
        vector_width: Width of the kernel exp((cosine - 1) / width) of vectors.
    """

    preprocessing: Preprocessing = NORMALIZED
    steps: int = STEPS
    kernels: tuple[Kernel, ...] = KERNELS
    mirror: Kernel = MIRROR
    kernel_width: float = 0.12
    temperature: float = 0.02
    vector_weight: float = 0.0
    vector_width: float = 0.1

    def __post_init__(self) -> None:
        check_range("steps", self.steps, at_least=4, whole=True)
        check_range("kernel_width", self.kernel_width, at_least=0.001, at_most=10)
        check_range("temperature", self.temperature, above=0)
        check_range("vector_weight", self.vector_weight, at_least=0, below=1)
        check_range("vector_width", self.vector_width, at_least=1e-6, at_most=10)
        if self.steps % 4:
            raise UsageError(f"{self.steps} steps cannot be halved twice: use a multiple of 4")
        if not self.kernels:
            raise UsageError("a comparison needs at least one kernel")
        if self.preprocessing.samplings > 1:
            raise UsageError("a comparison takes a clip once: leave its preprocessing's samplings")
        if self.preprocessing.face_camera:
            raise UsageError("a comparison turns clips itself: leave its preprocessing's turning")
        frames = self.preprocessing.frames
        if frames % self.steps:
            raise UsageError(f"{frames} frames cannot be cut into {self.steps} equal steps")

    @property
    def shape(self) -> tuple[str, int, int]:
        """Shape of a sequence: bodies, S, F."""
        return "1 or 2", self.steps, 3 * POSTURE + 3

    def fits(self, sequence: FloatArray) -> bool:
        """Whether an array is a sequence of this shape, with finite numbers."""
        bodies, *rest = sequence.shape
        fits = bodies in (1, 2) and tuple(rest) == self.shape[1:]
        return fits and bool(np.isfinite(sequence).all())

    def contract(self) -> dict[str, Any]:
        """The settings that decide what an index holds, for the fingerprint of the model."""
        contract = {
            "preprocessing": self.preprocessing.contract(),
            "steps": self.steps,
            "form": SEQUENCE_FORM,
        }
        # An index of a model in which vectors count holds the vector of every exemplar.
        return contract | ({"vectors": True} if self.vector_weight else {})

    @property
    def whole_kernels(self) -> tuple[Kernel, ...]:
        """Kernels that compare whole clips, by which it is told where an action ends."""
        halves = {FIRST, LAST, MIDDLE}
        compared = dict.fromkeys((self.mirror, *self.kernels))
        whole = tuple(one for one in compared if not {one.clip, one.exemplar} & halves)
        return whole or self.kernels

    def in_any_direction(self) -> SequenceConfig:
        """The same without what depends on where a person faced, by which copies are found."""
        turned = tuple(kernel for kernel in self.kernels if kernel.content != UNTURNED)
        return replace(self, kernels=turned or self.kernels)

    def digest(self) -> str:
        """A hash of all that decides similarities; those kept with another one are out of date."""
        values = self.to_json()
        del values["temperature"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def in_words(self) -> str:
        """Describe the comparison for people."""
        warping = f"time warping of {self.steps} steps, mean of {len(self.kernels)} kernels"
        if not self.vector_weight:
            return warping
        return f"{warping}; and the cosine of the vectors, with weight {self.vector_weight:g}"

    def without_vectors(self) -> SequenceConfig:
        """The same without vectors."""
        return replace(self, vector_weight=0.0)

    def to_json(self) -> dict[str, Any]:
        """The values for `model.json`; what vectors count is left out where they do not."""
        values = asdict(self)
        if not self.vector_weight:
            del values["vector_weight"], values["vector_width"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> SequenceConfig:
        """From the values in `model.json`.

        Raises:
            UsageError: If a value means nothing, or kernels compare one way only.
        """
        found = cls(
            **{
                **values,
                "preprocessing": Preprocessing(**values["preprocessing"]),
                "kernels": tuple(Kernel(**kernel) for kernel in values["kernels"]),
                "mirror": Kernel(**values["mirror"]),
            }
        )
        swapped = [replace(one, clip=one.exemplar, exemplar=one.clip) for one in found.kernels]
        if Counter(swapped) != Counter(found.kernels):
            raise UsageError(
                "two clips must be as similar as the same two the other way around: for a kernel "
                "of a half and a whole, add that of the whole and the half"
            )
        return found
