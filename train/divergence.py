"""What is done when a loss is no finite number: the run stops and says where, and what it saw."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from stars_infer.atomic import write_text
from stars_infer.errors import StarsError
from stars_infer.train.checkpoint import newest_checkpoint
from stars_infer.train.distributed import all_gather, rank
from stars_infer.train.pools.batches import PoolBatches
from stars_infer.train.views.views import Views

REPORT = "diverged.json"
"""File in the folder of the run that names the step and the clips of its batch."""
_NEVER = math.inf
_NAMED = 5


class DivergedError(StarsError):
    """The loss of a step is no finite number."""


class LossWatch:
    """Remembers the first step whose loss is no finite number.

    It does so on the device, so that nobody waits; `look` reads it.

    Args:
        run: Folder of the run.
        views: Its batches.
        device: Of the losses.
    """

    def __init__(self, run: Path, views: Views | PoolBatches, *, device: torch.device) -> None:
        self._run, self._views = run, views
        self._first = torch.full((), _NEVER, device=device)

    def add(self, step: int, loss: Tensor) -> None:
        """Take in this process's part of the loss of a step, counted from 1."""
        at = torch.where(loss.isfinite(), _NEVER, float(step))
        self._first = torch.minimum(self._first, at)

    def look(self, loss: Tensor | None = None) -> float:
        """The loss of all processes together, from their parts; every process calls this.

        Raises:
            DivergedError: If a loss so far was no finite number.
        """
        part = torch.zeros_like(self._first) if loss is None else loss.float()
        parts, firsts = all_gather(torch.stack((part, self._first))[None]).T.tolist()
        if min(firsts) < _NEVER:
            raise DivergedError(self._tell(int(min(firsts))))
        return float(sum(parts))

    def _tell(self, step: int) -> str:
        """Write down what is known of a step, and say it in a sentence."""
        numbers = self._views.clips_of_step(step - 1)
        sources = [self._views.source(int(number)) for number in numbers]
        odd = [sources[place] for place in self._not_finite(step - 1)]
        kept = newest_checkpoint(self._run)
        if rank() == 0:
            facts = {"step": step, "clips": sources, "not finite": odd, "checkpoint": kept}
            write_text(self._run / REPORT, json.dumps(facts, indent=2) + "\n")
        some = ", ".join((odd or sources)[:_NAMED])
        more = f" and {len(odd or sources) - _NAMED} more" if len(odd or sources) > _NAMED else ""
        cause = (
            f"of its clips, {some}{more} hold positions that are no finite numbers: leave them out"
            if odd
            else f"its clips are {some}{more}; a lower --lr or --precision 32-true may help"
        )
        state = (
            f"the checkpoint of step {kept:,} is kept"
            if kept is not None
            else "there is no checkpoint yet"
        )
        return f"{self._run}: the loss of step {step:,} is no number; {cause} ({REPORT}); {state}"

    def _not_finite(self, step: int) -> list[int]:
        """Places in the batch of a step, counted from 0, of clips with positions like NaN."""
        found: set[int] = set()
        for batch in self._views.draw(step):
            wrong = ~batch.bodies.isfinite().flatten(1).all(dim=1)
            found.update(batch.clip[wrong].tolist())
        return sorted(found)


def all_finite(module: nn.Module) -> bool:
    """Whether all weights of a module are finite numbers."""
    tops = [p.detach().abs().amax() for p in module.parameters() if p.numel()]
    return math.isfinite(float(torch.stack(tops).amax())) if tops else True
