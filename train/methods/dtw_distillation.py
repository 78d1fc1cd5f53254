"""DTW distillation: the encoder's vectors learn how similar clips are when warped in time.

Time warping tells actions apart far better than an encoder of little training does, but it gives no
vector. Landmarks turn it into one: a clip's similarity to some clips, seen through a kernel, gives
its place among all clips in as many numbers (Williams and Seeger 2001, the Nystrom method). That
is what an encoder is taught here (distillation: Hinton, Vinyals and Dean 2015). There is an answer
for any motion, recorded or made up, and no labels are needed. Clips are compared as the views show
them, so views should be turned to the camera and given standard bones, as the recipe has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.similarity.sequence import SequenceConfig
from stars_infer.train.methods.dtw import motion_sequences, similarity
from stars_infer.train.methods.masking import visible_count
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.tuning import Tuning
from stars_infer.train.networks.encoder import EncoderConfig, gather_tokens
from stars_infer.train.views.batch import Batch

_NOISE = 0.05
"""Added to the kernel's eigenvalues, times their mean: directions of which the landmarks know
little are not blown up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DTWDistillationConfig:
    """Constants of the tuning.

    Attributes:
        kernel: Width of the kernel through which similarity is seen; the smaller, the less do clips
            count that are not very alike.
        mask_ratio: Share of tokens that a step leaves out. 0.8 makes steps two and a half times as
            fast as 0.6, and they teach as much.
        tuned_blocks: Last encoder blocks that learn; the whole encoder if not given.
    """

    kernel: float = 0.25
    mask_ratio: float = 0.8
    tuned_blocks: int | None = None

    def __post_init__(self) -> None:
        if self.kernel <= 0:
            raise UsageError(f"kernel must be above 0, not {self.kernel:g}")
        if not 0 <= self.mask_ratio < 1:
            raise UsageError(f"mask_ratio is a share from 0 to below 1, not {self.mask_ratio:g}")


class DTWDistillation(Tuning):
    """The vector of a body is turned towards its place among landmarks."""

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
        self.how = SequenceConfig()
        _, steps, width = self.how.shape
        self.register_buffer("landmarks", torch.zeros(encoder.width, steps, width))
        self.register_buffer("known", torch.zeros((), dtype=torch.long))
        self.register_buffer("mixture", torch.zeros(encoder.width, encoder.width))
        self.register_buffer("center", torch.zeros(encoder.width))

    landmarks: Tensor
    """Sequences (D, S, F) of the first clips that the run sees, as many as a vector has numbers."""
    known: Tensor
    """How many of them there are by now."""
    mixture: Tensor
    """From what the kernel makes of similarity to the landmarks to vectors, (D, D)."""
    center: Tensor
    """Mean direction of the landmarks' own vectors, (D,)."""

    @property
    def clips_to_begin(self) -> int:
        """The landmarks."""
        return len(self.landmarks)

    @property
    @torch.compiler.disable  # type: ignore[untyped-decorator]  # a number of the host decides
    def ready(self) -> bool:
        """Whether all landmarks are there; learning begins with the step after."""
        return int(self.known) == len(self.landmarks)

    def forward(self, *views: Batch) -> StepOutput:
        """Mean of 1 - cosine over the bodies of a batch."""
        (batch,) = views
        features = self.features_of_some(batch)
        if not self.ready:
            clips = torch.arange(batch.clips, device=batch.clip.device)
            first = torch.searchsorted(batch.clip, clips)
            sequences = motion_sequences(batch.bodies[first].float(), self.how)
            return StepOutput(features.sum() * 0, sequences.flatten(1))
        gap = 1 - F.cosine_similarity(features, self.targets(batch.bodies), dim=1)
        return StepOutput(gap.mean() * batch.share_of_bodies)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Take the clips of the first steps as landmarks."""
        if keys is None:
            return
        known = int(self.known)
        fresh = keys.view(-1, *self.landmarks.shape[1:])[: len(self.landmarks) - known]
        self.landmarks[known : known + len(fresh)] = fresh
        self.known += len(fresh)
        if self.ready:
            self._place_landmarks()

    @torch.no_grad()
    def targets(self, bodies: Tensor) -> Tensor:
        """Vectors (N, D) of bodies (N, T, 25, 3) by their similarity to the landmarks."""
        with torch.autocast(bodies.device.type, enabled=False):  # distances are small differences
            seen = self._seen(motion_sequences(bodies.float(), self.how))
            return F.normalize(seen @ self.mixture, dim=1) - self.center

    def features_of_some(self, batch: Batch) -> Tensor:
        """Pooled features (N, D) of the bodies of a batch, of a random share of their tokens."""
        tokens = self.encoder.tokens(batch.bodies)
        if self.config.mask_ratio:
            seen = max(1, visible_count(tokens.shape[1], self.config.mask_ratio))
            tokens = gather_tokens(tokens, batch.noise.argsort(dim=1)[:, :seen])
        return self.tail(self.trunk(tokens)).mean(dim=1).float()

    def _seen(self, sequences: Tensor) -> Tensor:
        """Similarity to the landmarks, seen through the kernel, (N, D)."""
        return ((similarity(sequences, self.landmarks) - 1) / self.config.kernel).exp()

    def _place_landmarks(self) -> None:
        """Find the map from similarities to vectors that keeps the landmarks' kernel."""
        kernel = self._seen(self.landmarks).double()
        size, direction = torch.linalg.eigh((kernel + kernel.T) / 2)
        root = (size.clamp(min=0) + _NOISE * size.mean()).rsqrt()
        mixture = direction * root @ direction.T
        self.mixture.copy_(mixture)
        self.center.copy_(F.normalize(kernel @ mixture, dim=1).mean(dim=0))
