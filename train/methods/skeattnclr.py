"""SkeAttnCLR, stage 1: contrast of whole clips and of their salient and non-salient features.

Global contrast (section 3.1): two random views of a clip, query and key, are a positive pair, as in
MoCo. Local contrast (section 3.2): a third view mixes body parts of other clips into the query. A
soft attention mask divides its features, and those of the key, into salient and non-salient ones.
Salient features form a positive pair, non-salient ones another, and the salient and non-salient
features of one clip are a negative pair.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stars_infer.errors import UsageError
from stars_infer.train.methods.float32 import in_float32
from stars_infer.train.methods.method import Method, StepOutput
from stars_infer.train.methods.momentum import follow, rising_momentum
from stars_infer.train.methods.queue import VectorQueue
from stars_infer.train.networks.blocks import Attention
from stars_infer.train.networks.encoder_config import NETWORKS, EncoderConfig
from stars_infer.train.networks.norm import SharedBatchNorm
from stars_infer.train.views.batch import Batch
from stars_infer.train.views.mixing import Mixing

PREDICTORS = NONE, PARTS, ALL = "none", "parts", "all"
SALIENT, REST, CLIP = "predictor", "rest_predictor", "clip_predictor"
"""Names of the heads behind the projector, by the features that they take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeAttnClrConfig:
    """Constants of SkeAttnCLR.

    Attributes:
        queue: Number of past keys that serve as negatives.
        temperature: Softmax temperature of the contrast, tau.
        momentum: Share of the key encoder's weights that the first step keeps, M_0; it rises to 1
            by a cosine.
        hidden: Hidden width of projector and predictor.
        projection: Width of the vectors that are compared.
        mu: Weight of the salient loss; the non-salient one has 1 - mu. 0.5 in the paper, 1 in the
            configurations of its public code.
        salient_loss: Whether salient features are compared (L_s, equation 8).
        non_salient_loss: Whether non-salient features are compared (L_ns, equation 9).
        mutual_negative: Whether the salient and non-salient features of a clip are a negative pair.
        mutual_gradient: Whether that pair moves both sides, or, as in the public code, only the
            side whose loss it is; the paper does not say.
        predictor: Heads behind the projector of the query: none, as in section 3.2 (q_s =
            P_q(f_s)); all, as in the public code, one each for clips, salient and non-salient
            features; or parts, one that both kinds of features share.
        mask_norm: Whether a layer norm precedes the attention of the mask, as in the public code;
            equations 2 to 4 have none.
        sharpness: Lambda of the attention mask (equation 4); the larger, the closer the mask is to
            0 and 1.
        mask_heads: Number of attention heads of the mask.
        mix: Whether the view of the local contrast has body parts of other clips.
        fewest_parts: Smallest number of the five body parts that are mixed in.
        most_parts: Largest number.
        shortest_mix: Smallest length of the mixed window, in units of four frames.
        longest_mix: Largest length.
    """

    queue: int = 32768
    temperature: float = 0.2
    momentum: float = 0.996
    hidden: int = 256
    projection: int = 128
    mu: float = 0.5
    salient_loss: bool = True
    non_salient_loss: bool = True
    mutual_negative: bool = True
    mutual_gradient: bool = True
    predictor: str = PARTS
    mask_norm: bool = True
    sharpness: float = 2.0
    mask_heads: int = 8
    mix: bool = True
    fewest_parts: int = 3
    most_parts: int = 4
    shortest_mix: int = 4
    longest_mix: int = 7

    def __post_init__(self) -> None:
        for name in ("queue", "hidden", "projection", "mask_heads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.predictor not in PREDICTORS:
            raise UsageError(f"predictor is {', '.join(PREDICTORS)}, not {self.predictor!r}")
        for name in ("temperature", "sharpness"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0, not {getattr(self, name):g}")
        if not 0 <= self.momentum <= 1:
            raise UsageError(f"momentum is a share up to 1, not {self.momentum:g}")
        if not 0 < self.mu <= 1:
            raise UsageError(
                f"mu is a share above 0 and up to 1, not {self.mu:g}; --no-salient-loss leaves the "
                "salient loss out"
            )
        self.mixing()

    def mixing(self) -> Mixing:
        """How body parts are mixed.

        Raises:
            UsageError: If the numbers contradict each other.
        """
        return Mixing(
            fewest_parts=self.fewest_parts,
            most_parts=self.most_parts,
            shortest=self.shortest_mix,
            longest=self.longest_mix,
        )

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors; without local losses, as in SkeletonCLR, there is none."""
        if not self.local:
            return ()
        return {NONE: (), PARTS: (SALIENT,), ALL: (SALIENT, REST, CLIP)}[self.predictor]

    def moves(self, predictor: str) -> bool:
        """Whether a loss has a gradient for a predictor."""
        own = {SALIENT: self.salient_loss, REST: self.non_salient_loss}.get(predictor, True)
        shared = self.predictor == PARTS
        return own or shared or (self.mutual_negative and self.mutual_gradient)

    @property
    def local(self) -> bool:
        """Whether there is a local contrast."""
        return self.salient_loss or self.non_salient_loss


@in_float32
def contrast(
    query: Tensor, key: Tensor, past: Tensor, temperature: float, *, against: Tensor | None = None
) -> Tensor:
    """InfoNCE loss of unit vectors, averaged over the rows (equations 1, 8 and 9).

    Args:
        query: (B, P).
        key: The positive of each row, (B, P).
        past: Negatives that all rows share, (K, P).
        temperature: Softmax temperature, tau.
        against: One more negative of each row, (B, P).
    """
    columns = [
        (query * other).sum(1, keepdim=True) for other in (key, against) if other is not None
    ]
    logits = torch.cat((*columns, query @ past.T), dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


def _make_head(width: int, config: SkeAttnClrConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, config.hidden),
        SharedBatchNorm(config.hidden),
        nn.ReLU(),
        nn.Linear(config.hidden, config.projection),
    )


class SkeAttnClr(Method):
    """Global and local momentum contrast with an attention mask."""

    name: ClassVar[str] = "skeattnclr"
    title: ClassVar[str] = "SkeAttnCLR"
    config_class: ClassVar[type[Any]] = SkeAttnClrConfig
    networks: ClassVar[tuple[str, ...]] = NETWORKS

    def __init__(self, encoder: EncoderConfig, config: SkeAttnClrConfig) -> None:
        super().__init__(encoder)
        if config.local and encoder.width % config.mask_heads:
            raise UsageError(
                f"width ({encoder.width}) must be a multiple of mask_heads ({config.mask_heads})"
            )
        self.config = config
        if self.mixing is not None:
            self.mixing.check(encoder.frames)
        self.projector = _make_head(encoder.width, config)
        for name in config.predictors:
            predictor = _make_head(config.projection, config)
            # What no loss moves would keep several processes waiting for its gradient.
            setattr(self, name, predictor.requires_grad_(config.moves(name)))
        if config.local:
            self.mask = AttentionMask(
                encoder.width,
                heads=config.mask_heads,
                sharpness=config.sharpness,
                norm=config.mask_norm,
            )
        self.key_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.key_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.queue = VectorQueue(config.queue, config.projection)

    @property
    def num_views(self) -> int:
        """The query and the key of each clip."""
        return 2

    @property
    def mixing(self) -> Mixing | None:
        """How the view of the local contrast borrows body parts of other clips."""
        return self.config.mixing() if self.config.mix and self.config.local else None

    def before_first_step(self) -> None:
        """Start the key encoder as a copy of the query encoder."""
        self._follow(0.0)

    def forward(self, *views: Batch) -> StepOutput:
        """Global plus local contrastive loss (equation 11)."""
        query, key, *others = views
        temperature, past = self.config.temperature, self.queue.vectors
        q_tokens = self.encoder(query.bodies)
        with torch.no_grad():
            k_tokens = self.key_encoder(key.bodies)
            k = _project(key, k_tokens.mean(dim=1, dtype=torch.float32), self.key_projector)
        q = _project(query, q_tokens.mean(dim=1, dtype=torch.float32), *self._heads(CLIP))
        loss = contrast(q, k, past, temperature)
        if self.config.local:
            mixed = others[0] if others else query
            tokens = self.encoder(mixed.bodies) if others else q_tokens
            loss = loss + self._local_loss(mixed, tokens, k_tokens)
        return StepOutput(loss * query.share_of_clips, k)

    def _heads(self, name: str) -> tuple[nn.Module, ...]:
        """The projector, and the predictor, if any, of some features of the query."""
        if name == REST and self.config.predictor == PARTS:
            name = SALIENT
        if name not in self.config.predictors:
            return (self.projector,)
        return self.projector, getattr(self, name)

    def _local_loss(self, batch: Batch, tokens: Tensor, k_tokens: Tensor) -> Tensor:
        """Local loss (equation 10) of the tokens of a view and of its key, both (N, L, D)."""
        config, past = self.config, self.queue.vectors
        mask = self.mask(tokens)
        salient, rest = salient_means(tokens, mask)
        q_s = _project(batch, salient, *self._heads(SALIENT))
        q_ns = _project(batch, rest, *self._heads(REST))
        with torch.no_grad():
            k_s, k_ns = (
                _project(batch, mean, self.key_projector) for mean in salient_means(k_tokens, mask)
            )
        loss = tokens.new_zeros((), dtype=torch.float32)
        for wanted, weight, own, key, other in (
            (config.salient_loss, config.mu, q_s, k_s, q_ns),
            (config.non_salient_loss, 1 - config.mu, q_ns, k_ns, q_s),
        ):
            if wanted:
                against = other if config.mutual_negative else None
                if against is not None and not config.mutual_gradient:
                    against = against.detach()
                loss = loss + weight * contrast(own, key, past, config.temperature, against=against)
        return loss

    @torch.no_grad()
    def after_step(self, keys: Tensor | None) -> None:
        """Put the keys into the queue; update the key encoder, ever more slowly (section 3.1)."""
        if keys is not None:
            self.queue.push(keys)
        self._follow(rising_momentum(self.config.momentum, self.progress))

    def _follow(self, momentum: float) -> None:
        follow(self.key_encoder, self.encoder, momentum)
        follow(self.key_projector, self.projector, momentum)


def _project(batch: Batch, features: Tensor, *heads: nn.Module) -> Tensor:
    """Unit vectors (B, P): average body features (N, D) by clip, apply the heads, normalize."""
    vectors = batch.mean_over_bodies(features.float())
    for head in heads:
        vectors = head(vectors)
    return F.normalize(vectors.float(), dim=1)


class AttentionMask(nn.Module):
    """MHSAM: a soft mask (N, L, D) in (0, 1) over the tokens of an encoder (equations 2 to 4).

    Args:
        width: D.
        heads: Attention heads.
        sharpness: Lambda; the larger, the closer the mask is to 0 and 1.
        norm: Whether a layer norm precedes the attention.
    """

    def __init__(self, width: int, *, heads: int, sharpness: float, norm: bool = True) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.attention = Attention(width, heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mask of final tokens (N, L, D)."""
        # The projection that follows the heads is the linear layer of equation 4.
        return torch.sigmoid(self.sharpness * self.attention(self.norm(tokens)).float())


def salient_means(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Means (N, D) of tokens (N, L, D) weighted by the mask and by 1 - mask (equations 5 to 7)."""
    return (tokens * mask).mean(dim=1), (tokens * (1 - mask)).mean(dim=1)
