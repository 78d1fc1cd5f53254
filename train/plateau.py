"""The learning rate that drops to a tenth when the loss no longer falls.

SkeAttnCLR fine-tunes by "the dynamic learning rate adjustment that comes with PyTorch", which
"automatically adjusts when the loss does not converge" (section 4.2). It does not say which loss;
here it is the mean training loss of an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from stars_infer.train.distributed import all_reduce
from stars_infer.train.run import RunConfig

PLATEAU = "plateau"
"""Key of the state in the history of a checkpoint."""
_KEPT = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class Plateau:
    """Counts the epochs whose loss is not lower, with PyTorch's thresholds.

    Args:
        patience: Number of such epochs that are borne.
        epoch: Steps per epoch.
        state: What `state` gave before, to continue from.
    """

    def __init__(
        self, patience: int, *, epoch: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._rate = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self._scheduler = ReduceLROnPlateau(self._rate, patience=patience)
        self._epoch = epoch
        self._sum: Tensor | float = 0.0
        self._steps = 0
        if state is not None:
            self._rate.param_groups[0]["lr"] = state["factor"]
            self._scheduler.load_state_dict({name: state[name] for name in _KEPT})
            self._sum, self._steps = state["sum"], state["steps"]

    @classmethod
    def of(cls, config: RunConfig, history: Mapping[str, Any]) -> Plateau | None:
        """The plateau of a run, continued from the history of its checkpoint; None if it has none.

        Args:
            config: Configuration of the run.
            history: Of the checkpoint that the run continues from; empty if there is none.
        """
        if config.loop.plateau is None:
            return None
        return cls(config.loop.plateau, epoch=config.in_steps(1), state=history.get(PLATEAU))

    @property
    def factor(self) -> float:
        """What the learning rate is multiplied by."""
        return float(self._rate.param_groups[0]["lr"])

    def add(self, loss: Tensor) -> None:
        """Take in this process's part of the loss of a step; at the end of an epoch, decide."""
        # The sum over all processes, so that the state of one of them continues all.
        self._sum = self._sum + all_reduce(loss.detach()).double()
        self._steps += 1
        if self._steps == self._epoch:
            self._scheduler.step(float(self._sum) / self._steps)
            self._sum, self._steps = 0.0, 0

    def state(self) -> dict[str, Any]:
        """JSON values to continue from."""
        kept = self._scheduler.state_dict()
        own = {"factor": self.factor, "sum": float(self._sum), "steps": self._steps}
        return {**{name: kept[name] for name in _KEPT}, **own}
