"""A training session: the devices and the precision of a run, then its start or its resumption."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from stars_infer.errors import UsageError
from stars_infer.train.checkpoint import FILE, PREVIOUS, Checkpoint, load_checkpoint
from stars_infer.train.datasets.pack import Pack
from stars_infer.train.forecast import Forecast, forecast
from stars_infer.train.loop import fit
from stars_infer.train.methods.method import Method
from stars_infer.train.pools.batches import PoolBatches
from stars_infer.train.pools.pool import Pool
from stars_infer.train.recorder import Report
from stars_infer.train.run import RunConfig, build_method
from stars_infer.train.trackers import open_trackers
from stars_infer.train.views.views import Views

PRECISIONS = ("auto", "32-true", "bf16-mixed")

_FREE = {
    "loop.checkpoint_minutes", "loop.log_every", "loop.validate_every", "loop.keep", "data",
    "start_from",
}  # fmt: skip
"""Settings that may change when a run is resumed: they do not influence its numbers."""

_SENDS_BUFFERS = (
    "forward_sync_buffers"  # its name since torch 2.13
    if "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    else "broadcast_buffers"
)
"""Whether buffers are sent from the first process before each forward pass."""

MakeValidation = Callable[[Method, RunConfig, Fabric], Callable[[], float]]
"""Makes the function that measures the encoder of a method during training, in per cent."""


class Bf16Products(MixedPrecision):
    """Autocast to bf16: the network's products are rounded, its inputs are not.

    Fabric's own plugin rounds the inputs as well. At 1 m, neighboring bf16 numbers are 8 mm apart,
    more than the motion between two frames that MAMP predicts; and rounded noise would no longer
    order the tokens.
    """

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def convert_input(self, data: Any) -> Any:
        """Leave the inputs as they are."""
        return data


def best_precision(accelerator: str) -> str:
    """Choose bf16 where it is faster, on GPUs that have it and on CPUs with AMX; else float32.

    GPUs before Ampere emulate bf16. CPUs that have bf16 by AVX-512 only run these networks more
    slowly in bf16 than in float32.
    """
    if accelerator in ("cuda", "gpu"):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16-mixed" if native else "32-true"
    if accelerator == "cpu":
        amx = torch.cpu.get_capabilities().get("amx_bf16", False)
        return "bf16-mixed" if amx else "32-true"
    return "32-true"


def open_fabric(
    accelerator: str = "auto", devices: int = 1, precision: str = "auto", nodes: int = 1
) -> Fabric:
    """Open the devices of a session; the precision `auto` is that of `best_precision`.

    Fabric starts the other processes of a machine by calling the same command again. For several
    nodes, start the command on each of them by `torchrun` or SLURM.

    Args:
        accelerator: `auto`, `cpu` or `cuda`.
        devices: Processes per node.
        precision: One of `PRECISIONS`.
        nodes: Number of machines.

    Raises:
        UsageError: If the precision is unknown, or this machine has no such accelerator.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    try:
        device = Fabric(accelerator=accelerator, devices=1).device.type
        chosen = best_precision(device) if precision == "auto" else precision
        # Queues, teachers and running statistics are the same in every process: sending them from
        # the first one before each forward pass would cost more than the gradients.
        how: dict[str, Any] = {_SENDS_BUFFERS: False, "gradient_as_bucket_view": True}
        several = DDPStrategy(**how)
        fabric = Fabric(
            accelerator=accelerator,
            strategy=several if devices * nodes > 1 else "auto",
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
    pack: Pack | Pool,
    out: Path,
    *,
    fabric: Fabric,
    resume: bool = False,
    start: Checkpoint | None = None,
    report: Report | None = None,
    compiled: bool = False,
    make_validation: MakeValidation | None = None,
    trackers: Sequence[str] = (),
    foretell: Callable[[Forecast], None] | None = None,
) -> Checkpoint:
    """Train a run from fresh weights, from another run's encoder, or from its own checkpoint.

    Args:
        config: The configuration of the run.
        pack: The clips to train on; a pool for a method that learns from one.
        out: Folder of the checkpoint and the log.
        fabric: From `open_fabric`.
        resume: Continue from the checkpoint in `out`, which must have the same configuration.
        start: Checkpoint whose encoder the run starts from.
        report: Called with the metrics of each logged step.
        compiled: Run the method through `torch.compile`.
        make_validation: Makes the validation that `validate_every` asks for.
        trackers: Names of `stars_infer.train.trackers.TRACKERS` that follow the run, too.
        foretell: Receives how long the run will take, measured by two small steps, before it
            starts; not on a GPU or with several processes.

    Returns:
        The last checkpoint.

    Raises:
        DivergedError: If the loss of a step is no finite number; the last checkpoint is kept.
        MissingExtraError: If the package of a tracker is not installed.
        UsageError: If `out` holds a checkpoint and `resume` is false; if there is none to resume,
            or its configuration differs; or if the run asks for a validation that is impossible.
    """
    earlier = _load_earlier(config, out, resume=resume)
    fabric.seed_everything(config.loop.seed, verbose=False)
    method = build_method(config)
    if start is not None and earlier is None:
        method.start_from(start.weights, source=str(config.start_from))
    method.before_first_step()
    views = open_views(method, pack, config, device=str(fabric.device))
    if start is not None and earlier is None:
        method.to(fabric.device).meet(views.draw)
    history: dict[str, Any] = {"pack": pack.facts}
    if start is not None:
        history["start"] = {"config": start.config, "step": start.step, **start.history}
    validate = None
    if config.loop.validate_every:
        if make_validation is None:
            raise UsageError("validate_every: this run has no validation; set it to 0")
        validate = make_validation(method, config, fabric)
    first = earlier.step if earlier else 0
    alone = fabric.world_size == 1 and fabric.device.type != "cuda"
    if foretell is not None and alone and first < config.steps:
        foretell(forecast(method, views, config, fabric=fabric, first=first))
    opened = open_trackers(trackers, out, config.to_json(), first) if fabric.is_global_zero else []
    failed = True
    try:
        last = fit(
            method,
            views,
            config,
            out,
            fabric=fabric,
            resume=earlier,
            history=history,
            report=report,
            compiled=compiled,
            validate=validate,
            trackers=opened,
        )
        failed = False
    finally:
        for tracker in opened:
            tracker.close(failed=failed)
    return last


def open_views(
    method: Method, pack: Pack | Pool, config: RunConfig, *, device: str
) -> Views | PoolBatches:
    """Make the views of a pack that a method needs, or the batches of a pool.

    Raises:
        UsageError: If the method learns from a pool and this is none, or the other way around; or
            if the pool has vectors of another width than the encoder.
    """
    if isinstance(pack, Pool) != method.pooled:
        if method.pooled:
            raise UsageError(
                f"{config.method} learns from a pool: make one with `stars train pool`"
            )
        raise UsageError(f"{config.data}: is a pool, and {config.method} learns from a pack")
    if isinstance(pack, Pool):
        if pack.width != config.encoder.vector_width:
            raise UsageError(
                f"{config.data}: has vectors of {pack.width} numbers, the encoder of "
                f"{config.encoder.vector_width}: pretrain it with --vector {pack.width}"
            )
        return PoolBatches(
            pack.take,
            len(pack.clips),
            batch=config.loop.batch,
            seed=config.loop.seed,
            device=device,
        )
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


def _load_earlier(config: RunConfig, out: Path, *, resume: bool) -> Checkpoint | None:
    """Load the checkpoint that the run continues from, or None if it starts anew.

    Raises:
        UsageError: If there is a checkpoint and `resume` is false, or if its configuration differs.
    """
    if not ((out / FILE).exists() or (out / PREVIOUS).exists()):
        if resume:
            raise UsageError(f"{out}: no checkpoint to resume; leave --resume out to start")
        return None
    if not resume:
        raise UsageError(f"{out}: holds a checkpoint; pass --resume to go on, or another --out")
    checkpoint = load_checkpoint(out, set_aside=True)
    earlier = RunConfig.from_json(checkpoint.config, source=str(out))
    before, now = _flatten_settings(earlier.to_json()), _flatten_settings(config.to_json())
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if differing:
        changes = ", ".join(f"{key} {before.get(key)} → {now.get(key)}" for key in differing)
        raise UsageError(f"{out}: --resume needs the flags of the first call; changed: {changes}")
    return checkpoint


def _flatten_settings(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that decide the numbers of a run, with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return {key: value for key, value in flat.items() if key not in _FREE}
