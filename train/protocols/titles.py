"""Names of trained encoders, as the rows of the papers' tables name them.

A run that was made in another way than a row has another name than the row: a tuning that starts
from MAE, or with mirrored views, is not STARS. `paper.py` uses the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stars_infer.train.methods import METHODS
from stars_infer.train.networks.encoder_config import STGCN, TITLES, TRANSFORMER, EncoderConfig
from stars_infer.train.networks.streams import JOINT, STREAMS
from stars_infer.train.run import RunConfig
from stars_infer.train.views.config import ViewConfig

_TUNING = {"dino": "DINO", "moco": "MoCo", "stars": "STARS", "mamp-nnclr": "MAMP + NNCLR"}
_AUGMENTATIONS = {
    "mirror": "flip", "rotation": "rotation", "axis_mask": "axis mask", "shear": "shear",
}  # fmt: skip
"""Augmentations of STARS, Table 7, by the name of their setting."""
_MASKS = {"tube_length": 5, "beta": 0.1, "mask_ratio": 0.9, "momentum": 0.9999}
"""Settings of Skeleton2vec that its ablations change, with the paper's values."""
ABLATION_EPOCHS = 200
"""Epochs of the ablations of Skeleton2vec (section 4.4); Tables 1 to 4 have 600."""


def title_of(config: RunConfig, history: Mapping[str, Any]) -> str:
    """Name a run by its method, its network, where it started from and what it changes.

    Args:
        config: Configuration of the run.
        history: What led to it, as its checkpoint keeps it.
    """
    usual = STGCN if config.method == "skeattnclr" else TRANSFORMER
    network = _network(config.encoder, usual=usual)
    return " ".join((_method_title(config, history), *network)) + _losses(config)


def random_title(shape: EncoderConfig) -> str:
    """Name random weights, which the papers call "without pretraining"."""
    return " ".join(("random weights", *_network(shape, usual=TRANSFORMER)))


def fused_title(titles: Sequence[str]) -> str:
    """Name the fusion of several encoders: "three-stream" if they differ by their stream only."""
    first, *others = titles
    streams = {f"{first} {stream}" for stream in STREAMS if stream != JOINT}
    if set(others) == streams and len(others) == len(streams):
        return f"{first} three-stream"
    return " + ".join(titles)


def _method_title(config: RunConfig, history: Mapping[str, Any]) -> str:
    if config.method in ("dino", "moco"):
        local = " local" if getattr(config.settings, "local_views", 0) else ""
        aug = " aug" if config.views.augments else ""
        return _TUNING[config.method] + aug + local + _origin(history)
    if config.method in _TUNING:
        changed = " + ".join(_augmentations(config.views))
        return _tuned(config.method, history) + (f" {changed}" if changed else "")
    if config.method == "skeleton2vec":
        return _skeleton2vec(config)
    if config.method == "skeattnclr" and not config.settings.local:
        return "SkeAttnCLR baseline"
    return METHODS[config.method].title


def _tuned(method: str, history: Mapping[str, Any]) -> str:
    stages = list(_stages(history))
    name = _TUNING[method]
    if method == "stars" and "head-init" in stages:
        name += "-3stage"
    return f"{name}-MAE" if stages[-1:] == ["mae"] else name + _origin(history)


def _origin(history: Mapping[str, Any]) -> str:
    """Where a tuning started from, if that is not MAMP."""
    (*_, first) = ("mamp", *_stages(history))
    return "" if first == "mamp" else f" on {METHODS[first].title}"


def _stages(history: Mapping[str, Any]) -> Iterator[str]:
    """Methods of the runs that a run started from, the latest one first."""
    while start := history.get("start"):
        method = start.get("config", {}).get("method")
        if method in METHODS:
            yield method
        history = start


def _augmentations(views: ViewConfig) -> Iterator[str]:
    for setting, name in _AUGMENTATIONS.items():
        if getattr(views, setting):
            yield name
    if views.yaw or views.padding or views.corrupts or views.warps:
        yield "other views"


def _skeleton2vec(config: RunConfig) -> str:
    """The masks of Table 5, which its paper trains for `ABLATION_EPOCHS`."""
    own, title = config.settings, METHODS["skeleton2vec"].title
    changed = {name for name, usual in _MASKS.items() if getattr(own, name) != usual}
    if changed == {"beta"} and own.beta == 0:
        return f"{title} multi-tube"
    if changed == {"beta", "tube_length"} and own.beta == 0:
        if own.tube_length == 1:
            return f"{title} random"
        if own.tube_length >= config.encoder.segments:
            return f"{title} single-tube"
    if changed:
        words = (f"{name.replace('_', ' ')} {getattr(own, name):g}" for name in sorted(changed))
        return f"{title} {', '.join(words)}"
    return f"{title} 200 epochs" if config.loop.epochs == ABLATION_EPOCHS else title


def _network(shape: EncoderConfig, *, usual: str) -> Iterator[str]:
    if shape.network != usual:
        yield TITLES[shape.network]
    if shape.stream != JOINT:
        yield shape.stream


def _losses(config: RunConfig) -> str:
    """What an ablation of SkeAttnCLR, Table 7, leaves out."""
    own = config.settings
    if config.method != "skeattnclr" or not own.local:
        return ""
    left_out = (
        ("salient loss", own.salient_loss),
        ("non-salient loss", own.non_salient_loss),
        ("mutual negative", own.mutual_negative),
        ("mixing", own.mix),
    )
    return "".join(f", no {name}" for name, kept in left_out if not kept)
