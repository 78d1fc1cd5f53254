"""Numbers that never change, which a device receives once.

An index written as a list, or a table as an array of NumPy, would be sent to the GPU in every step,
and the host would wait each time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Constant:
    """A small table.

    Args:
        values: The numbers, as `torch.as_tensor` takes them.
    """

    def __init__(self, values: Any) -> None:
        self._values = torch.as_tensor(values)
        self._sent: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def on(self, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
        """The numbers on a device, by default in their own type; not to be written to."""
        key = device, dtype or self._values.dtype
        if key not in self._sent:
            self._sent[key] = self._values.to(*key)
        return self._sent[key]

    def like(self, other: Tensor) -> Tensor:
        """The numbers on the device and in the type of another tensor; not to be written to."""
        return self.on(other.device, other.dtype)
