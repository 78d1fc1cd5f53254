"""What random views of training clips are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import Preprocessing

ABSENT_BODIES = ("present", "zeros", "copy")
_NORMALIZATION = ("face_camera", "standard_body", "pace")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """Random views of training clips (REFERENCE 2 and 3).

    Attributes:
        frames: T.
        shortest_crop: Smallest share of a clip kept; the share is uniform up to 1.
        shortest_frames: A crop keeps at least so many frames, or the whole clip if shorter.
        uniform_sampling: Take each frame from a random moment of its own T-th of the crop, instead
            of the middle of it (Skeleton2vec).
        rotation: Largest random angle per axis, radians; 0.3 in stage 1, none in stage 2.
        mirror: Probability of swapping left and right (spatial flip).
        axis_mask: Probability of zeroing one of the three axes.
        shear: Largest random shear of one axis along another; 0.5 is usual.
        padding: Share of the frames by which a view goes on backwards at both ends before as many
            as it had are cut out at random; 1/6 in SkeAttnCLR.
        yaw: Largest random turn about the vertical, radians.
        bone_lengths: Deviation of the logarithm of bone lengths; 0.1 spans small and tall people.
        posture: Deviation of angles by which bones are turned over the whole clip, radians.
        jitter: Largest deviation of the trembling of joints, meters; each clip has its own.
        outliers: Probability that a joint is off its place for some frames.
        hidden_limbs: Probability that an arm or a leg is held still for a part of the clip.
        slowest_rate: Least share of the frames that is kept before resizing; 0.5 makes 15 to 30 Hz
            of 30.
        reduced_layouts: Probability that a clip has the joints of a layout with fewer.
        absent_bodies: What a missing second body is: present (left out), zeros (MAMP on NTU-60
            and PKU), or copy (of the first; MAMP on NTU-120).
        face_camera: Turn clips about the vertical until the body faces the camera, as the exported
            model then does.
        standard_body: Give all bodies the same bone lengths, as the exported model then does.
        pace: How much of time follows the motion, 0 to 1, as in the exported model.
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
        for name in ("mirror", "axis_mask", "outliers", "hidden_limbs", "reduced_layouts"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is a probability, not {getattr(self, name):g}")
        for name in ("rotation", "shear", "yaw", "bone_lengths", "posture", "jitter"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} must not be below 0, is {getattr(self, name):g}")
        if not 0 < self.slowest_rate <= 1 or not 0 <= self.pace <= 1:
            raise UsageError("slowest_rate and pace are shares up to 1, and slowest_rate above 0")
        if self.uniform_sampling and self.pace:
            raise UsageError("uniform_sampling and pace both say when frames are taken: leave one")
        if self.absent_bodies not in ABSENT_BODIES:
            raise UsageError(
                f"absent_bodies is one of {', '.join(ABSENT_BODIES)}, not {self.absent_bodies!r}"
            )

    @property
    def inherited(self) -> dict[str, Any]:
        """What whoever goes on with the encoder, or measures it, has to keep.

        Steps of normalization are named where there are any: a later recipe may add some.
        """
        steps = {name: getattr(self, name) for name in _NORMALIZATION if getattr(self, name)}
        return {"absent_bodies": self.absent_bodies, **steps}

    def preprocessing(self, *, crop: float) -> Preprocessing:
        """How clips are prepared at use for an encoder that saw such views."""
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
        return turns or self.padding > 0 or self.corrupts

    @property
    def corrupts(self) -> bool:
        """Whether bodies are reshaped, or seen as through a sensor."""
        return self.slowest_rate < 1 or any(
            (
                self.bone_lengths, self.posture, self.jitter, self.outliers,
                self.hidden_limbs, self.reduced_layouts,
            )
        )  # fmt: skip
