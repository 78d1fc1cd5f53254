"""The configuration of views: crops, augmentation, corruption and normalization."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing

ABSENT_BODIES = ("present", "zeros", "copy")
_NORMALIZATION = ("face_camera", "standard_body", "pace")
_PROBABILITIES = (
    "mirror", "axis_mask", "outliers", "hidden_limbs", "reduced_layouts", "hidden_legs",
    "stillness", "repeats", "reverse",
)  # fmt: skip
_SENSOR = (
    "bone_lengths", "posture", "jitter", "outliers", "hidden_limbs", "reduced_layouts",
    "hidden_legs", "depth",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """Distribution of the random views of training clips.

    The crop is that of STARS, section 4.2; rotation in stage 1 is that of MAMP's code; mirror, axis
    mask and shear are the augmentations of STARS, Table 7.

    Attributes:
        frames: Frames of a view, T.
        shortest_crop: Smallest share of a clip that a crop keeps; the share is uniform up to 1.
        shortest_frames: Smallest number of frames that a crop keeps; shorter clips stay whole.
        uniform_sampling: Take each frame at a random time within its own T-th of the crop instead
            of the middle (Skeleton2vec, section 4.2).
        rotation: Largest random angle about each axis, radians; 0.3 in stage 1, 0 in stage 2.
        mirror: Probability of swapping left and right (spatial flip).
        axis_mask: Probability of zeroing one of the three axes.
        shear: Largest random shear of one axis along another; 0.5 in SkeAttnCLR.
        padding: Share of the frames by which a view is extended, mirrored in time, at both ends,
            before a random window of the original length is cut out; 1/6 in SkeAttnCLR.
        yaw: Largest random rotation about the vertical axis, radians.
        bone_lengths: Standard deviation of the logarithm of bone lengths; 0.1 covers short and
            tall people.
        posture: Standard deviation of the angles by which bones turn for the whole clip, radians.
        jitter: Largest standard deviation of the noise of joint positions, meters; each clip has
            its own.
        outliers: Probability that a joint is displaced for a few frames.
        hidden_limbs: Probability that an arm or a leg keeps its last position for part of the
            clip.
        slowest_rate: Smallest share of the frames that is kept before resizing; 0.5 simulates 15
            to 30 Hz for clips of 30 Hz.
        reduced_layouts: Probability that a clip is reduced to a layout with fewer joints.
        hidden_legs: Probability that the legs are not seen, and hang straight down instead.
        depth: Standard deviation of the logarithm by which depth (z) is wrongly scaled, as in
            skeletons that are estimated from video.
        stillness: Probability that a person stands still before and after what the crop shows,
            each for up to a third of the view.
        repeats: Probability that a clip shows its crop twice.
        reverse: Probability that a clip runs backward in time.
        absent_bodies: How a missing second body is treated: present (only present bodies count),
            zeros (MAMP on NTU-60 and PKU-MMD), or copy (of the first body; MAMP on NTU-120).
        face_camera: Turn clips about the vertical axis until the body faces the camera; the
            exported model does the same.
        standard_body: Give all bodies the same bone lengths; the exported model does the same.
        pace: Degree to which time follows the motion, 0 to 1; the exported model does the same.
        local_shortest: Smallest share of a clip in a local view.
        local_longest: Largest share of a clip in a local view.
    """

    frames: int = 120
    shortest_crop: float = 0.5
    shortest_frames: int = 64
    uniform_sampling: bool = False
    rotation: float = 0.0
    mirror: float = 0.0
    axis_mask: float = 0.0
    shear: float = 0.0
    padding: float = 0.0
    yaw: float = 0.0
    bone_lengths: float = 0.0
    posture: float = 0.0
    jitter: float = 0.0
    outliers: float = 0.0
    hidden_limbs: float = 0.0
    slowest_rate: float = 1.0
    reduced_layouts: float = 0.0
    hidden_legs: float = 0.0
    depth: float = 0.0
    stillness: float = 0.0
    repeats: float = 0.0
    reverse: float = 0.0
    absent_bodies: str = "present"
    face_camera: bool = False
    standard_body: bool = False
    pace: float = 0.0
    local_shortest: float = 0.4
    local_longest: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.shortest_crop <= 1:
            raise UsageError(f"shortest_crop is a share up to 1, not {self.shortest_crop:g}")
        if not 0 <= self.padding <= 1:
            raise UsageError(f"padding is a share up to 1, not {self.padding:g}")
        if not 0 < self.local_shortest <= self.local_longest <= 1:
            raise UsageError("local_shortest and local_longest are shares up to 1, in that order")
        for name in _PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is a probability, not {getattr(self, name):g}")
        for name in ("rotation", "shear", "yaw", "bone_lengths", "posture", "jitter", "depth"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be below 0, is {getattr(self, name):g}")
        if not 0 < self.slowest_rate <= 1 or not 0 <= self.pace <= 1:
            raise UsageError("slowest_rate and pace are shares up to 1, and slowest_rate above 0")
        if self.uniform_sampling and self.warps:
            raise UsageError("uniform_sampling does not go with stillness, repeats or reverse")
        if self.uniform_sampling and self.pace:
            raise UsageError("uniform_sampling and pace both say when frames are taken: leave one")
        if self.absent_bodies not in ABSENT_BODIES:
            raise UsageError(
                f"absent_bodies is one of {', '.join(ABSENT_BODIES)}, not {self.absent_bodies!r}"
            )

    @property
    def inherited(self) -> dict[str, Any]:
        """Settings that a run must keep when it starts from the encoder or measures it.

        Normalization steps that are off are not among them: a later recipe may turn them on.
        """
        steps = {name: getattr(self, name) for name in _NORMALIZATION if getattr(self, name)}
        return {"absent_bodies": self.absent_bodies, **steps}

    def preprocessing(self, *, crop: float) -> Preprocessing:
        """Preprocessing of clips at inference for an encoder that was trained on such views."""
        return Preprocessing(
            frames=self.frames,
            crop=crop,
            face_camera=self.face_camera,
            standard_body=self.standard_body,
            pace=self.pace,
        )

    @property
    def augments(self) -> bool:
        """Whether two views of a clip differ by more than their crops."""
        turns = any((self.rotation, self.mirror, self.axis_mask, self.shear, self.yaw))
        return turns or self.padding > 0 or self.corrupts or self.warps

    @property
    def corrupts(self) -> bool:
        """Whether the views simulate other bodies or a sensor."""
        return self.slowest_rate < 1 or any(getattr(self, name) for name in _SENSOR)

    @property
    def warps(self) -> bool:
        """Whether the views show their crops with pauses, repeated or backward."""
        return any((self.stillness, self.repeats, self.reverse))

    def without_corruption(self) -> ViewConfig:
        """The same crops and turns as a perfect sensor sees them, once and without pauses."""
        clean: dict[str, Any] = dict.fromkeys((*_SENSOR, "stillness", "repeats"), 0.0)
        return replace(self, slowest_rate=1.0, **clean)
