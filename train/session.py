"""A training session: a run started, started from another's encoder, or resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import FILE, Checkpoint, load_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.loop import Report, fit
from stars_infer.train.methods.method import Method
from stars_infer.train.precision import PRECISIONS, Bf16Products, best_precision
from stars_infer.train.protocols.validation import validation
from stars_infer.train.run import RunConfig, build_method
from stars_infer.train.views.views import Views

_FREE = {"loop.checkpoint_minutes", "loop.log_every", "loop.validate_every", "data", "start_from"}
"""Settings that may differ when a run is resumed: they do not touch its numbers."""


def open_fabric(
    accelerator: str = "auto", devices: int = 1, precision: str = "auto", nodes: int = 1
) -> Fabric:
    """Open the devices of a session, with bf16 where it pays if the precision is `auto`.

    With several processes, those beyond the first are started by calling the same command again;
    over several nodes, the command is started on each with the variables of `torchrun` or SLURM.

    Raises:
        UsageError: If there is no such precision, or no such accelerator here.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    try:
        device = Fabric(accelerator=accelerator, devices=1).device.type
        chosen = best_precision(device) if precision == "auto" else precision
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            plugins=[Bf16Products(device)] if chosen == "bf16-mixed" else None,
        )
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"accelerator {accelerator!r} cannot be used here: {error}") from error
    fabric.launch()
    return fabric


def train(
    config: RunConfig,
    pack: Pack,
    out: Path,
    *,
    fabric: Fabric,
    resume: bool = False,
    start: Checkpoint | None = None,
    report: Report | None = None,
    compiled: bool = False,
) -> Checkpoint:
    """Train a run from scratch, from another run's encoder, or on from its own checkpoint.

    Args:
        config: The run.
        pack: Its clips.
        out: Its folder.
        fabric: From `open_fabric`.
        resume: Go on from the checkpoint in `out`, which must be of the same configuration.
        start: Checkpoint whose encoder the run starts from.
        report: Told about each logged step.
        compiled: Run the method through `torch.compile`.

    Returns:
        The last checkpoint.

    Raises:
        UsageError: If there is a checkpoint that was not to be resumed, none to resume, or one
            of another configuration; or if it should validate but has no split.
    """
    earlier = _earlier(config, out, resume=resume)
    fabric.seed_everything(config.loop.seed, verbose=False)
    method = build_method(config)
    if start is not None and earlier is None:
        method.start_from(start.weights, source=str(config.start_from))
    method.before_first_step()
    views = open_views(method, pack, config, device=str(fabric.device))
    history: dict[str, Any] = {"pack": pack.facts}
    if start is not None:
        history["start"] = {"config": start.config, "step": start.step, **start.history}
    return fit(
        method,
        views,
        config,
        out,
        fabric=fabric,
        resume=earlier,
        history=history,
        report=report,
        compiled=compiled,
        validate=validation(method, config, fabric) if config.loop.validate_every else None,
    )


def open_views(method: Method, pack: Pack, config: RunConfig, *, device: str) -> Views:
    """The views of a pack that a method needs."""
    return Views(
        pack,
        config.views,
        batch=config.loop.batch,
        seed=config.loop.seed,
        tokens=config.encoder.tokens if method.masks else 0,
        device=device,
        num_views=method.num_views,
        num_local_views=method.num_local_views,
        mixing=method.mixing,
    )


def _earlier(config: RunConfig, out: Path, *, resume: bool) -> Checkpoint | None:
    """The checkpoint to go on from.

    Raises:
        UsageError: If there is one but it was not asked for, or its run was another.
    """
    if not (out / FILE).exists():
        if resume:
            raise UsageError(f"{out}: no checkpoint to resume; leave --resume out to start")
        return None
    if not resume:
        raise UsageError(f"{out}: holds a checkpoint; pass --resume to go on, or another --out")
    checkpoint = load_checkpoint(out)
    # Settings that came after the checkpoint was written have their defaults.
    earlier = RunConfig.from_json(checkpoint.config, source=str(out))
    before, now = _settings(earlier.to_json()), _settings(config.to_json())
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if differing:
        changes = ", ".join(f"{key} {before.get(key)} → {now.get(key)}" for key in differing)
        raise UsageError(f"{out}: --resume needs the flags of the first call; changed: {changes}")
    return checkpoint


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    """Flat settings that decide the numbers of a run."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return {key: value for key, value in flat.items() if key not in _FREE}
