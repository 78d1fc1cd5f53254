"""How often a training step makes the host wait for the GPU, and how many copies it begins.

    python benchmarks/training/waits.py            # no GPU: fake tensors, see fake_gpu.py
    python benchmarks/training/waits.py --json

Every recipe takes its steps with a miniature network; the counts are those of the last one, since
the first sends constants. `corrupted` is MAMP on clips that are corrupted and normalized, with two
bodies each; `streamed` is STARS with a pack that does not fit the GPU.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from fake_gpu import DEVICE, Waits, fake_gpu, move
from miniature import clips, miniature, pool
from rich.console import Console
from rich.table import Table

from stars_infer.train.divergence import LossWatch
from stars_infer.train.loop import take_step
from stars_infer.train.networks import bigru
from stars_infer.train.recipe import load_recipe, recipe_names
from stars_infer.train.run import RunConfig, build_method
from stars_infer.train.session import open_views
from stars_infer.train.views import rows, upload

CORRUPTED = {
    "absent_bodies": "zeros", "face_camera": True, "standard_body": True, "pace": 0.5,
    "bone_lengths": 0.1, "posture": 0.1, "jitter": 0.02, "outliers": 0.1, "hidden_limbs": 0.1,
    "slowest_rate": 0.5, "reduced_layouts": 0.5, "hidden_legs": 0.1, "depth": 0.1, "mirror": 0.5,
    "stillness": 0.3,
}  # fmt: skip


def runs(*, brief: bool) -> Iterator[tuple[str, RunConfig, bool]]:
    """Names and configurations of runs, and whether the pack fits the GPU.

    Args:
        brief: Take one recipe of each method and network.
    """
    seen: set[tuple[str, str]] = set()
    for name in recipe_names():
        config = miniature(load_recipe(name))
        kind = (config.method, config.encoder.network)
        if kind not in seen or not brief:
            yield name, config, True
        seen.add(kind)
    yield "corrupted", miniature(load_recipe("mamp"), **CORRUPTED), True
    yield "streamed", miniature(load_recipe("stars")), False


def count(config: RunConfig, waits: Waits, *, fits: bool) -> dict[str, Any]:
    """Waits by reason and copies of the last step of a run."""
    method = build_method(config)
    method.before_first_step()
    data = pool(config.encoder) if method.pooled else clips()
    fabric: Any = OneProcess()
    with patch.object(rows, "fits", lambda size, device: fits):
        views = open_views(method, data, config, device=str(DEVICE))
    move(method)
    learning = [p for p in method.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learning, foreach=True)
    watch = LossWatch(None, views, device=DEVICE)  # type: ignore[arg-type]  # it never reports
    for step in range(config.steps):
        waits.reasons.clear()
        waits.copies = 0
        loss = take_step(method, optimizer, method, 1, iter([views.draw(step)]), fabric)
        watch.add(step + 1, loss)
    return {"waits": dict(waits.reasons), "copies": waits.copies}


class OneProcess:
    """What a step asks of Fabric, where neither processes nor precision matter."""

    world_size = 1

    def no_backward_sync(self, module: Any, *, enabled: bool) -> AbstractContextManager[None]:
        """Nothing to hold back."""
        return nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients, on the device of the loss."""
        torch.autograd.backward(loss)


def fake_gru(gru: torch.nn.GRU, x: torch.Tensor) -> torch.Tensor:
    """A layer of the same shape: torch knows no fake of the one that a GPU has."""
    weight = torch.cat((gru.weight_ih_l0, gru.weight_ih_l0_reverse))[: 2 * gru.hidden_size]
    return x @ weight.T


def count_all(*, brief: bool) -> dict[str, dict[str, Any]]:
    """Counts by the name of a run."""
    found = {}
    with (
        fake_gpu() as waits,
        patch.object(upload, "page_locked", waits.page_locked),
        patch.object(bigru, "run_gru", fake_gru),
    ):
        for name, config, fits in runs(brief=brief):
            found[name] = count(config, waits, fits=fits)
    return found


def show(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table."""
    table = Table("run", "waits", "copies", "why")
    for name, counts in found.items():
        why = ", ".join(f"{reason}: {times}" for reason, times in counts["waits"].items())
        table.add_row(name, str(sum(counts["waits"].values())), str(counts["copies"]), why)
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--brief", action="store_true", help="one recipe of each method")
    options = parser.parse_args()
    counted = count_all(brief=options.brief)
    if options.json:
        print(json.dumps(counted))
    else:
        show(counted)
