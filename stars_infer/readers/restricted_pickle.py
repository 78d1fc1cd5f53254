"""Read pickles of numbers, text, plain containers and arrays without running their code.

A pickle is a program that may call any function. Here it gets stand-ins for the few names that
arrays need: they keep the bytes, of which NumPy makes the array later. Nothing that the file names
is ever imported, called or written to.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import StarsError

_DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def load_plain(path: Path) -> Any:
    """Unpickle numbers, text, plain containers and arrays, which become `PickledArray`.

    Raises:
        StarsError: If the file is damaged, or asks for anything else, which is not run.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, str(path)).load()
    except StarsError:
        raise
    except Exception as error:  # a damaged pickle fails in many ways
        raise StarsError(f"{path}: not a readable pickle ({error}): download it again") from error


def loads_plain(content: bytes, source: str) -> Any:
    """As `load_plain`, of a pickle within a file; the source is its name for messages."""
    try:
        return _PlainUnpickler(io.BytesIO(content), source).load()
    except StarsError:
        raise
    except Exception as error:
        raise StarsError(f"{source}: not a readable pickle ({error})") from error


class _Sealed:
    """An object whose state a pickle cannot set."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError(f"a state for {type(self).__name__}")


class _DType(_Sealed):
    """Stands in for `numpy.dtype`; keeps the name of a type of numbers."""

    __slots__ = ("name",)

    def __init__(self, name: object = None, *_: object) -> None:
        if name not in _DTYPES:
            raise pickle.UnpicklingError(f"arrays of {name!r}")
        self.name = str(name)

    def __setstate__(self, state: object) -> None:
        """Take the byte order."""
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("a type of unknown byte order")
        self.name = f"{order}{self.name[-2:]}"


class PickledArray(_Sealed):
    """The bytes of a pickled array, its shape and type."""

    __slots__ = ("content", "dtype", "fortran", "shape")

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype, self.fortran, self.content = "", False, b""

    def __setstate__(self, state: object) -> None:
        """Take (version, shape, dtype, is_fortran, bytes)."""
        match state:
            case (_, tuple() as shape, _DType() as dtype, fortran, bytes() as content):
                self.set(shape, dtype, bool(fortran), content)
            case _:
                raise pickle.UnpicklingError("an array of objects")

    def set(self, shape: tuple[Any, ...], dtype: _DType, fortran: bool, content: bytes) -> None:
        """Keep shape, type and bytes once they fit together."""
        size = np.dtype(dtype.name).itemsize
        whole = all(isinstance(length, int) and length >= 0 for length in shape)
        for length in shape if whole else ():
            size *= length
        if not whole or size != len(content):
            raise pickle.UnpicklingError(f"an array {shape} of {len(content)} bytes")
        self.shape, self.dtype, self.fortran, self.content = shape, dtype.name, fortran, content

    @property
    def nbytes(self) -> int:
        """Size of the array."""
        return len(self.content)

    def array(self) -> NDArray[Any]:
        """The array, read-only."""
        flat = np.frombuffer(self.content, self.dtype)
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


class _ArrayType(_Sealed):
    """Stands in for `numpy.ndarray` where a pickle passes it as an argument."""

    __slots__ = ()


class _Reconstruct(_Sealed):
    """Stands in for `numpy.core.multiarray._reconstruct`: an array whose state follows."""

    __slots__ = ()

    def __call__(self, *_: object) -> PickledArray:
        return PickledArray()


class _FromBuffer(_Sealed):
    """Stands in for `numpy.core.numeric._frombuffer`: an array of its bytes."""

    __slots__ = ()

    def __call__(self, content: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
        if not isinstance(content, bytes | bytearray):
            raise pickle.UnpicklingError("an array of something else than bytes")
        made = PickledArray()
        made.set(shape, dtype, order == "F", bytes(content))
        return made


class _Scalar(_Sealed):
    """Stands in for `numpy.core.multiarray.scalar`: a number."""

    __slots__ = ()

    def __call__(self, dtype: Any, content: Any) -> Any:
        made = PickledArray()
        made.set((), dtype, False, content)
        return made.array()[()].item()


class _Latin1(_Sealed):
    """Stands in for `_codecs.encode`, with which old protocols write bytes."""

    __slots__ = ()

    def __call__(self, text: Any, encoding: Any = "latin1") -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError(f"an encoding {encoding!r}")
        return text.encode("latin1")


_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("_codecs", "encode"): _Latin1(),
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _ArrayType(),
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _Reconstruct()),
            ("multiarray", "scalar", _Scalar()),
            ("numeric", "_frombuffer", _FromBuffer()),
        )
    },
}


class _PlainUnpickler(pickle.Unpickler):
    """Gives stand-ins for the few names that arrays need, and refuses all others."""

    def __init__(self, file: Any, source: str) -> None:
        super().__init__(file)
        self._source = source

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            asked = ascii(f"{module}.{name}")[1:-1]  # may hold line breaks
            raise StarsError(
                f"{self._source}: this pickle asks for {asked}, which is not an array or "
                "a plain container and was not run: do not trust where the file comes from"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise StarsError(f"{self._source}: this pickle refers to an object outside of it: refused")
