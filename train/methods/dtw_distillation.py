"""DTW distillation, stage 3: the encoder learns vectors that reproduce similarity by DTW.

Dynamic time warping distinguishes actions far better than an encoder after little training, but it
gives no vector. The Nystrom method (Williams and Seeger 2001) makes one: the similarities of a clip
to some landmark clips, passed through a kernel, become a vector whose products with other such
vectors approximate the kernel between clips. The encoder learns these vectors by their cosine
(distillation; Hinton, Vinyals and Dean 2015). This needs no labels, and the target exists for any
motion, recorded or synthetic. The comparison sees the clips as the views show them; the recipe
therefore turns the views to the camera and gives all bodies standard bones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.dtw import MotionSequenceConfig, motion_sequences, similarity
from stars_infer.train.methods.masking import visible_count
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.tuning import TuningMethod
from stars_infer.train.networks.encoder import EncoderConfig, gather_tokens
from stars_infer.train.views.batch import Batch

_NOISE = 0.05
"""Times the mean eigenvalue, added to all eigenvalues of the kernel, so that directions about which
the landmarks say little are not amplified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DTWDistillationConfig:
    """Constants of the tuning.

    Attributes:
        kernel: Width of the kernel exp((similarity - 1) / width); the smaller it is, the less do
            clips of moderate similarity count.
        mask_ratio: Share of the tokens that a step leaves out. With 0.8 steps are two and a half
            times as fast as with 0.6, and teach as much.
        tuned_blocks: Number of the last encoder blocks that learn; by default, the whole encoder.
    """

    kernel: float = 0.25
    mask_ratio: float = 0.8
    tuned_blocks: int | None = None

    def __post_init__(self) -> None:
        if self.kernel <= 0:
            raise UsageError(f"kernel must be above 0, not {self.kernel:g}")
        if not 0 <= self.mask_ratio < 1:
            raise UsageError(f"mask_ratio is a share from 0 to below 1, not {self.mask_ratio:g}")


class DTWDistillation(TuningMethod):
    """The encoder learns to give each body its Nystrom vector."""

    name: ClassVar[str] = "dtw-distillation"
    title: ClassVar[str] = "dtw-distillation"
    config_class: ClassVar[type[Any]] = DTWDistillationConfig
    masks: ClassVar[bool] = True

    def __init__(self, encoder: EncoderConfig, config: DTWDistillationConfig) -> None:
        whole = config.tuned_blocks is None
        super().__init__(encoder, encoder.depth if whole else config.tuned_blocks)
        if whole:
            self.encoder.requires_grad_(True)
        self.config = config
        self.how = MotionSequenceConfig()
        self.register_buffer("landmarks", torch.zeros(encoder.width, *self.how.shape))
        self.register_buffer("known", torch.zeros((), dtype=torch.long))
        self.register_buffer("mixture", torch.zeros(encoder.width, encoder.width))
        self.register_buffer("center", torch.zeros(encoder.width))
        self.ready = False
        self._collected = 0
        hook: Any = self.register_load_state_dict_post_hook  # untyped
        hook(lambda module, _: module._count())

    ready: bool
    """Whether all landmarks are collected; learning begins with the next step."""
    landmarks: Tensor
    """Sequences (D, S, F) of the first D clips of the run, D being the width of the encoder."""
    known: Tensor
    """Number of landmarks collected so far."""
    mixture: Tensor
    """Matrix (D, D) from kernel values at the landmarks to vectors."""
    center: Tensor
    """Mean of the landmarks' own unit vectors, (D,)."""

    @property
    def clips_to_begin(self) -> int:
        """As many clips as there are landmarks."""
        return len(self.landmarks)

    def forward(self, *views: Batch) -> StepOutput:
        """Mean of 1 - cosine between vectors and targets over the bodies of a batch."""
        (batch,) = views
        features = self.masked_features(batch)
        if not self.ready:
            clips = torch.arange(batch.clips, device=batch.clip.device)
            first = torch.searchsorted(batch.clip, clips)
            sequences = motion_sequences(batch.bodies[first].float(), self.how)
            return StepOutput(features.sum() * 0, sequences.flatten(1))
        gap = 1 - F.cosine_similarity(features, self.targets(batch.bodies), dim=1)
        return StepOutput(gap.mean() * batch.share_of_bodies)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Collect the clips of the first steps as landmarks."""
        if keys is None:
            return
        known = self._collected  # the host counts, too, so that it need not ask the device
        fresh = keys.view(-1, *self.landmarks.shape[1:])[: len(self.landmarks) - known]
        self.landmarks[known : known + len(fresh)] = fresh
        self.known += len(fresh)
        self._collected += len(fresh)
        self.ready = self._collected == len(self.landmarks)
        if self.ready:
            self._place_landmarks()

    @torch.no_grad()
    def targets(self, bodies: Tensor) -> Tensor:
        """Target vectors (N, D) of bodies (N, T, 25, 3), by their similarity to the landmarks."""
        # Distances are small differences of large numbers, which bf16 would drown.
        with torch.autocast(bodies.device.type, enabled=False):
            seen = self._kernel(motion_sequences(bodies.float(), self.how))
            return F.normalize(seen @ self.mixture, dim=1) - self.center

    def masked_features(self, batch: Batch) -> Tensor:
        """Features (N, D) of the bodies of a batch: the mean of a random share of their tokens."""
        tokens = self.encoder.tokens(batch.bodies)
        if self.config.mask_ratio:
            seen = max(1, visible_count(tokens.shape[1], self.config.mask_ratio))
            tokens = gather_tokens(tokens, batch.noise.argsort(dim=1)[:, :seen])
        return self.tail(self.trunk(tokens)).mean(dim=1).float()

    def _count(self) -> None:
        """Read how many landmarks there are, after they were loaded."""
        self._collected = int(self.known)
        self.ready = self._collected == len(self.landmarks)

    def _kernel(self, sequences: Tensor) -> Tensor:
        """Kernel values (N, D) of sequences (N, S, F) at the landmarks."""
        return ((similarity(sequences, self.landmarks) - 1) / self.config.kernel).exp()

    def _place_landmarks(self) -> None:
        """Set `mixture`, the inverse square root of the landmarks' kernel matrix, and `center`."""
        kernel = self._kernel(self.landmarks).double()
        size, direction = torch.linalg.eigh((kernel + kernel.T) / 2)
        root = (size.clamp(min=0) + _NOISE * size.mean()).rsqrt()
        mixture = direction * root @ direction.T
        self.mixture.copy_(mixture)
        self.center.copy_(F.normalize(kernel @ mixture, dim=1).mean(dim=0))
