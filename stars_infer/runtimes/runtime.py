"""The interface of every runtime, and the choice of one as a user writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stars_infer.arrays import FloatArray
from stars_infer.errors import UsageError, check_range

FP32, BF16, FP16, INT8 = "fp32", "bf16", "fp16", "int8"
PRECISIONS = (FP32, BF16, FP16, INT8)
EXACT = 0.999
"""Smallest cosine to the float32 vector at which a vector counts as the same."""
MIN_INNER = 32
"""In int8, matrix products over fewer numbers than this stay in float32: they make tokens of
coordinates, which need full precision and take little time."""


class Runtime(Protocol):
    """A loaded graph."""

    @property
    def choice(self) -> RuntimeChoice:
        """How the graph really runs, defaults filled in."""
        ...

    def run(self, bodies: FloatArray) -> FloatArray:
        """Vectors (B, D) of bodies (B, T, 25, 3), which are contiguous and float32."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChoice:
    """Where and how a graph runs.

    Attributes:
        device: One of `open.DEVICES`, such as `cpu` or `openvino`, or an address of a server.
        precision: Precision of matrix products, one of `PRECISIONS`.
        threads: Threads of one run; the runtime decides if None.
        batch: Bodies run at once; the runtime's default if None.
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
        check_range("threads", self.threads, at_least=1, whole=True)
        check_range("batch", self.batch, at_least=1, whole=True)

    @classmethod
    def parse(cls, text: str) -> RuntimeChoice:
        """Parse a value of `--device`: `cpu`, `openvino:bf16`, or an address (`triton://…`).

        Raises:
            UsageError: If the part after the colon is not a precision.
        """
        given: object = text  # callers without a type checker may give anything
        if not isinstance(given, str):
            raise UsageError(f"device must be text, such as 'cpu', not {given!r}")
        if "://" in text:  # a server chooses its precision
            return cls(device=text)
        device, colon, precision = text.partition(":")
        return cls(device=device, precision=precision if colon else FP32)

    def __str__(self) -> str:
        """The choice in words: `cpu fp32, 1 thread`."""
        threads = f", {self.threads} thread{'s'[: self.threads > 1]}" if self.threads else ""
        return f"{self.device} {self.precision}{threads}"
