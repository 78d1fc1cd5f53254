"""DINO tuning: the student predicts the teacher's soft clusters of another view (STARS Table 6, 9).

Teacher outputs are centerd by Sinkhorn-Knopp, features are spread by KoLeo (both as in DINOv2).
Local views, short crops that only the student sees, are optional (STARS Table 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.distributed import gathered, own_rows, processes, summed
from stars_infer.train.methods.method import StepOutput
from stars_infer.train.methods.tuning import Teacher, Tuning, pooled
from stars_infer.train.networks.encoder import EncoderConfig
from stars_infer.train.views.batch import Batch

_SINKHORN_ROUNDS = 3
_GLOBAL_VIEWS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DinoConfig:
    """Constants of the tuning; the head's shape is DINO's, the paper does not say its own.

    Attributes:
        local_views: Further short crops of every clip for the student; 0 or 2 in the paper.
        student_temperature: Softmax temperature of the student.
        teacher_temperature: Softmax temperature of the teacher.
        momentum: How much of the teacher stays each step.
        koleo: Weight of the KoLeo regularizer.
        prototypes: Clusters.
        hidden: Hidden width of the head.
        bottleneck: Width before the clusters.
        tuned_blocks: Last encoder blocks that learn; half of them if not given.
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
    """MLP to unit vectors, compared with unit prototypes: (B, D) to (B, prototypes)."""

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
        """Cosine to every prototype."""
        unit: Tensor = F.normalize(self.mlp(x).float(), dim=1, eps=1e-6)
        cosine: Tensor = unit @ F.normalize(self.prototypes.float(), dim=1).T
        return cosine


@torch.no_grad()
def sinkhorn(logits: Tensor, temperature: float) -> Tensor:
    """Soft assignments (B, K) in which, over all processes, all clusters are used alike.

    Each row adds up to 1; three rounds of normalizing clusters and clips in turn.
    """
    scaled = logits.float() / temperature
    # Each row's own largest value falls out in the first normalization of rows.
    share = (scaled - scaled.amax(dim=1, keepdim=True)).exp()
    rows = len(share) * processes()
    share = share / share.sum(dim=1, keepdim=True)
    for _ in range(_SINKHORN_ROUNDS):
        share = share / (summed(share.sum(dim=0)) * share.shape[1] / rows).clamp(min=1e-12)
        share = share / share.sum(dim=1, keepdim=True)
    return share


def koleo(features: Tensor) -> Tensor:
    """-log distance of each unit feature (B, D) to its nearest of all processes, averaged."""
    own = F.normalize(features.float(), dim=1, eps=1e-8)
    everyone = gathered(own)
    places = own_rows(len(own), own.device)
    with torch.no_grad():
        similarity = own @ everyone.T
        similarity[torch.arange(len(own), device=own.device), places] = -2
        nearest = similarity.argmax(dim=1)
    distance = (own - everyone[nearest] + 1e-8).norm(dim=1)
    loss: Tensor = -(distance + 1e-8).log().mean()
    return loss


class Dino(Tuning):
    """Self-distillation on the second half of a pretrained encoder."""

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
        """Two global views."""
        return _GLOBAL_VIEWS

    @property
    def num_local_views(self) -> int:
        """Short crops for the student."""
        return self.config.local_views

    def before_first_step(self) -> None:
        """The teacher starts as the student."""
        self.teacher.follow(self, self.head, 0.0)

    def forward(self, *views: Batch) -> StepOutput:
        """Cross-entropy of every student view with the teacher's other global views, and KoLeo."""
        targets, guesses = [], []
        spread = torch.zeros((), device=views[0].bodies.device)
        for number, view in enumerate(views):
            tokens = self.embedded(view)
            features = pooled(view, self.tail(tokens))
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
        """The teacher follows the student."""
        self.teacher.follow(self, self.head, self.config.momentum)
