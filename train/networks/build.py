"""From a configuration to an encoder of its kind."""

from __future__ import annotations

from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.bigru import BiGru
from stars_infer.train.networks.dsta import Dsta
from stars_infer.train.networks.encoder import SkeletonEncoder
from stars_infer.train.networks.encoder_config import BIGRU, DSTA, STGCN, TRANSFORMER, EncoderConfig
from stars_infer.train.networks.stgcn import StGcn

_KINDS: dict[str, type[Backbone]] = {
    TRANSFORMER: SkeletonEncoder,
    STGCN: StGcn,
    BIGRU: BiGru,
    DSTA: Dsta,
}


def build_encoder(config: EncoderConfig) -> Backbone:
    """Make an encoder with fresh weights."""
    return _KINDS[config.network](config)
