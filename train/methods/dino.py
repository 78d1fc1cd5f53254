"""DINO tuning: from one view, the student predicts the teacher's soft clusters of another.

An ablation of STARS (section 4.4, Tables 6, 9 and 10). As in DINOv2, Sinkhorn-Knopp centers the
outputs of the teacher, and KoLeo spreads the features. Local views, short crops that only the
student sees, are optional.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.distributed import all_gather, all_reduce, own_rows, world_size
from stars_infer.train.methods.float32 import in_float32
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.tuning import Teacher, TuningMethod, pool
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch

_SINKHORN_ROUNDS = 3
_GLOBAL_VIEWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DinoConfig:
    """Constants of the tuning; STARS does not give the head's shape, which is DINO's here.

    Attributes:
        local_views: Number of short crops of each clip that only the student sees; 0 or 2 in STARS.
        student_temperature: Softmax temperature of the student.
        teacher_temperature: Softmax temperature of the teacher.
        momentum: Share of the teacher's weights that a step keeps.
        koleo: Weight of the KoLeo regularizer.
        prototypes: Number of clusters.
        hidden: Hidden width of the head.
        bottleneck: Width of the vectors that are compared with the clusters.
        tuned_blocks: Number of the last encoder blocks that learn; by default, half of them.
    """

    local_views: int = 0
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04
    momentum: float = 0.996
    koleo: float = 0.1
    prototypes: int = 4096
    hidden: int = 2048
    bottleneck: int = 256
    tuned_blocks: int | None = None

    def __post_init__(self) -> None:
        for name in ("prototypes", "hidden", "bottleneck"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not min(self.student_temperature, self.teacher_temperature) > 0:
            raise UsageError("student_temperature and teacher_temperature must be above 0")
        if not 0 <= self.momentum <= 1:
            raise UsageError(f"momentum is a share up to 1, not {self.momentum:g}")
        if self.koleo < 0 or self.local_views < 0:
            raise UsageError("koleo and local_views must not be below 0")


class ClusterHead(nn.Module):
    """MLP to unit vectors and their cosines to unit prototypes: (B, D) to (B, prototypes)."""

    def __init__(self, width: int, config: DinoConfig) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.bottleneck),
        )
        self.prototypes = nn.Parameter(torch.randn(config.prototypes, config.bottleneck))
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Cosine of each row of (B, D) to every prototype, (B, prototypes)."""
        return cosines(self.mlp(x), self.prototypes)


@in_float32
def cosines(vectors: Tensor, prototypes: Tensor) -> Tensor:
    """Cosines (B, K) of vectors (B, D) and prototypes (K, D)."""
    return F.normalize(vectors, dim=1, eps=1e-6) @ F.normalize(prototypes, dim=1).T


@in_float32
@torch.no_grad()
def sinkhorn(logits: Tensor, temperature: float) -> Tensor:
    """Soft assignments (B, K) that use all clusters equally over the clips of all processes.

    Three rounds of Sinkhorn-Knopp normalize clusters and clips in turn; each row adds up to 1.
    """
    scaled = logits / temperature
    # Subtracting the largest value of a row changes nothing: rows are normalized next.
    share = (scaled - scaled.amax(dim=1, keepdim=True)).exp()
    rows = len(share) * world_size()
    share = share / share.sum(dim=1, keepdim=True)
    for _ in range(_SINKHORN_ROUNDS):
        share = share / (all_reduce(share.sum(dim=0)) * share.shape[1] / rows).clamp(min=1e-12)
        share = share / share.sum(dim=1, keepdim=True)
    return share


@in_float32
def koleo(features: Tensor) -> Tensor:
    """KoLeo loss: mean of -log of the distance of each unit feature (B, D) to its nearest one.

    The nearest is searched among the features of all processes.
    """
    own = F.normalize(features, dim=1, eps=1e-8)
    everyone = all_gather(own)
    positions = own_rows(len(own), own.device)
    with torch.no_grad():
        similarity = own @ everyone.T
        similarity[torch.arange(len(own), device=own.device), positions] = -2
        nearest = similarity.argmax(dim=1)
    distance = (own - everyone[nearest] + 1e-8).norm(dim=1)
    loss: Tensor = -(distance + 1e-8).log().mean()
    return loss


class Dino(TuningMethod):
    """Self-distillation that tunes the second half of a pretrained encoder."""

    name: ClassVar[str] = "dino"
    title: ClassVar[str] = "DINO tuning"
    config_class: ClassVar[type[Any]] = DinoConfig

    def __init__(self, encoder: EncoderConfig, config: DinoConfig) -> None:
        super().__init__(encoder, config.tuned_blocks)
        self.config = config
        self.head = ClusterHead(encoder.width, config)
        self.teacher = Teacher(self, self.head)

    @property
    def num_views(self) -> int:
        """The two global views of each clip."""
        return _GLOBAL_VIEWS

    @property
    def num_local_views(self) -> int:
        """The short crops of each clip that only the student sees."""
        return self.config.local_views

    def before_first_step(self) -> None:
        """Start the teacher as a copy of the student."""
        self.teacher.follow(self, self.head, 0.0)

    def forward(self, *views: Batch) -> StepOutput:
        """Cross-entropy of each student view with the teacher's other global views, plus KoLeo."""
        targets, guesses = [], []
        spread = torch.zeros((), device=views[0].bodies.device)
        for number, view in enumerate(views):
            tokens = self.trunk_tokens(view)
            features = pool(view, self.tail(tokens))
            guesses.append(
                F.log_softmax(self.head(features) / self.config.student_temperature, dim=1)
            )
            if number < _GLOBAL_VIEWS:
                logits = self.teacher(view, tokens)
                targets.append(sinkhorn(logits, self.config.teacher_temperature))
                spread = spread + koleo(features) / _GLOBAL_VIEWS
        crossed = [
            -(target * guess).sum(dim=1).mean()
            for t, target in enumerate(targets)
            for g, guess in enumerate(guesses)
            if t != g
        ]
        loss = torch.stack(crossed).mean() + self.config.koleo * spread
        return StepOutput(loss * views[0].share_of_clips)

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Update the teacher by the student's weights."""
        self.teacher.follow(self, self.head, self.config.momentum)
