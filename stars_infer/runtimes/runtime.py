"""What runs an encoder's graph, and how a user says which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError

FP32, BF16, FP16, INT8 = "fp32", "bf16", "fp16", "int8"
PRECISIONS = (FP32, BF16, FP16, INT8)
EXACT = 0.999
"""Cosine to the float32 vector from which on a vector counts as the same."""
MIN_INNER = 32
"""In `int8`, products of matrices over fewer numbers stay in float32: these are the tokens made of
coordinates, which need all their digits and cost nothing."""


class Runtime(Protocol):
    """A loaded graph."""

    @property
    def how(self) -> RuntimeChoice:
        """How it really runs."""
        ...

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of one batch of bodies (B, T, 25, 3), contiguous float32."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChoice:
    """How a graph is to run.

    Attributes:
        device: `cpu`, `openvino` or another name of `runtimes.DEVICES`.
        precision: In which products of matrices are computed, of `PRECISIONS`.
        threads: Threads of one run; as many as the runtime likes if None.
        batch: Bodies run at once; what usually suits the device if None.
    """

    device: str
    precision: str = FP32
    threads: int | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UsageError(
                f"precision {self.precision!r}: expected one of {', '.join(PRECISIONS)}, "
                "as in --device openvino:bf16"
            )
        for name, value in (("threads", self.threads), ("batch", self.batch)):
            if value is not None and value < 1:
                raise UsageError(f"{name} {value}: expected at least 1")

    @classmethod
    def parse(cls, text: str) -> RuntimeChoice:
        """A choice as `--device` spells it: `cpu`, `openvino`, `openvino:bf16`.

        Raises:
            UsageError: If the part behind the colon is no precision.
        """
        device, colon, precision = text.partition(":")
        return cls(device=device, precision=precision if colon else FP32)

    def __str__(self) -> str:
        """For people."""
        threads = f", {self.threads} thread{'s'[: self.threads > 1]}" if self.threads else ""
        return f"{self.device} {self.precision}{threads}"
