"""The precision of a run: where bf16 pays, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric.plugins.precision import MixedPrecision

PRECISIONS = ("auto", "32-true", "bf16-mixed")


class Bf16Products(MixedPrecision):
    """Autocast to bf16: products of the network are rounded, what goes into it is not.

    Fabric's own rounds the inputs as well. Positions in meters would lose what the targets of
    MAMP are made of (a step of bf16 at 1 m is 8 mm), and noise its order.
    """

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)

    def convert_input(self, data: Any) -> Any:
        """Leave the inputs as they are."""
        return data


def best_precision(accelerator: str) -> str:
    """bf16 where it pays: on GPUs that have it, and on CPUs with AMX; float32 elsewhere.

    GPUs before Ampere emulate bf16, and CPUs whose bf16 is AVX-512 only run these networks slower
    in bf16 than in float32.
    """
    if accelerator in ("cuda", "gpu"):
        has_it = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16-mixed" if has_it else "32-true"
    if accelerator == "cpu":
        amx = torch.cpu.get_capabilities().get("amx_bf16", False)
        return "bf16-mixed" if amx else "32-true"
    return "32-true"
