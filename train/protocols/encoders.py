"""The encoder that is measured: that of a run, or random weights as a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stars_infer.errors import UsageError
from stars_infer.preprocessing.prepare import MOST_SAMPLINGS
from stars_infer.train.checkpoint import FILE, TEACHER, Checkpoint, load_checkpoint, load_weights
from stars_infer.train.networks.backbone import Backbone
from stars_infer.train.networks.build import build_encoder
from stars_infer.train.networks.encoder_config import EncoderConfig
from stars_infer.train.protocols.titles import random_title, title_of
from stars_infer.train.run import RunConfig
from stars_infer.train.views.config import ViewConfig

RANDOM = "random"
"""Takes the place of a run to measure random weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredEncoder:
    """An encoder and what is known about it.

    Attributes:
        run: Path of its run, or `random`.
        encoder: The network, in evaluation mode.
        views: Distribution of its training views, which decides normalization and the treatment of
            absent bodies.
        config: Configuration of its run.
        checkpoint: Checkpoint of its run; with the student's weights if they are measured.
        samplings: Number of uniform samplings of a clip whose features are averaged.
    """

    run: str
    encoder: Backbone
    views: ViewConfig
    config: RunConfig | None = None
    checkpoint: Checkpoint | None = None
    samplings: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.samplings <= MOST_SAMPLINGS:
            raise UsageError(f"--samplings is 1 to {MOST_SAMPLINGS}, not {self.samplings}")

    @property
    def weights(self) -> str | None:
        """`student` if the student of its run is measured, else None."""
        return self.checkpoint.history.get("weights") if self.checkpoint else None

    @property
    def shape(self) -> EncoderConfig:
        """Shape of the network."""
        return self.encoder.config

    @property
    def title(self) -> str:
        """Name of the method, as in the tables of the papers."""
        if self.config is None:
            return random_title(self.shape)
        return title_of(self.config, self.checkpoint.history if self.checkpoint else {})

    @property
    def source_data(self) -> str | None:
        """Official data set on which it was trained, if any."""
        facts = self.checkpoint.history.get("pack", {}) if self.checkpoint else {}
        name = facts.get("dataset")
        return None if name is None else str(name)

    @property
    def results(self) -> Path | None:
        """Folder of its results: in the folder of its run, with subfolders for other weights."""
        if self.config is None:
            return None
        path = Path(self.run)
        apart = [] if path.is_dir() or path.name == FILE else [path.stem]
        if self.weights:
            apart.append(self.weights)
        return (path if path.is_dir() else path.parent).joinpath("eval", *apart)

    def default_data(self) -> Path:
        """The pack on which its run was trained.

        Raises:
            UsageError: If there is none here.
        """
        if self.config is None:
            raise UsageError("random weights have no data of their own: name a pack with --data")
        path = Path(self.config.data)
        if not (path / "pack.json").exists():
            raise UsageError(
                f"{self.run} was trained on {self.config.data!r}, which is no pack here: "
                "name one with --data"
            )
        return path

    def facts(self) -> dict[str, Any]:
        """Facts about the encoder that a result keeps."""
        if self.config is None or self.checkpoint is None:
            return {"run": self.run, "method": self.title}
        how = {"samplings": self.samplings} if self.samplings > 1 else {}
        whose = {"weights": self.weights} if self.weights else {}
        return {
            "run": self.run,
            "method": self.title,
            **whose,
            **how,
            "step": self.checkpoint.step,
            "trained_on": {"data": self.config.data, "split": self.config.split},
            "git": self.checkpoint.history.get("git"),
        }


def load_encoder(
    run: str,
    *,
    like: Path | None = None,
    seed: int = 0,
    weights: str = TEACHER,
    samplings: int = 1,
) -> MeasuredEncoder:
    """Load the encoder of a run, or make one with random weights.

    Args:
        run: Folder of a run or a checkpoint file; `random` for random weights.
        like: Run whose shape and views random weights take; by default, the papers' shape.
        seed: Seed of random weights.
        weights: `teacher` or `student`, of a run that has both.
        samplings: Number of uniform samplings of a clip whose features are averaged.

    Raises:
        ModelError: If there is no such run.
        UsageError: If `like` is given without `random`, or the student of a run without one.
    """
    if run == RANDOM:
        if weights != TEACHER:
            raise UsageError("random weights have no student; leave --weights out")
        shape, views = EncoderConfig(), ViewConfig()
        if like is not None:
            config = RunConfig.from_json(load_checkpoint(like).config, source=str(like))
            shape, views = config.encoder, config.views
        torch.manual_seed(seed)
        encoder = build_encoder(shape).eval()
        return MeasuredEncoder(run=run, encoder=encoder, views=views, samplings=samplings)
    if like is not None:
        raise UsageError("--like gives random weights their shape; it goes with the run `random`")
    checkpoint = load_checkpoint(Path(run)).with_weights(weights, source=run)
    config = RunConfig.from_json(checkpoint.config, source=run)
    encoder = build_encoder(config.encoder)
    load_weights(encoder, checkpoint.encoder_weights(), source=run)
    return MeasuredEncoder(
        run=run,
        encoder=encoder.eval(),
        views=config.views,
        config=config,
        checkpoint=checkpoint,
        samplings=samplings,
    )
