"""Read pickles of numbers, text, plain containers and arrays without running their code.

A pickle is a program that may call any function. Here it gets stand-ins for the few names that
arrays need: they keep the bytes, of which NumPy makes the array later. Nothing that the file names
is ever imported, called or written to. What it makes is counted, since a few bytes may ask for any
amount of memory.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stars_infer.errors import StarsError
from stars_infer.readers.bounds import BESIDE, TIMES, size_of

_MOST_AXES = 16
_DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def load_plain(path: Path) -> Any:
    """Unpickle numbers, text, plain containers and arrays, which become `PickledArray`.

    Raises:
        StarsError: If the file is damaged, or asks for anything else, which is not run.
    """
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file, str(path), size_of(file)).load()
    except StarsError:
        raise
    except Exception as error:  # a damaged pickle fails in many ways
        raise StarsError(
            f"{path}: not a readable pickle ({_brief(error)}): download it again"
        ) from error


def loads_plain(content: bytes, source: str) -> Any:
    """As `load_plain`, of a pickle within a file; the source is its name for messages."""
    try:
        return _PlainUnpickler(io.BytesIO(content), source, len(content)).load()
    except StarsError:
        raise
    except Exception as error:
        raise StarsError(f"{source}: not a readable pickle ({_brief(error)})") from error


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


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
        self.dtype, self.fortran = "", False
        self.content: bytes | bytearray = b""

    def __setstate__(self, state: object) -> None:
        """Take (version, shape, dtype, is_fortran, bytes)."""
        match state:
            case (_, tuple() as shape, _DType() as dtype, fortran, bytes() as content):
                self.set(shape, dtype, bool(fortran), content)
            case _:
                raise pickle.UnpicklingError("an array of objects")

    def set(
        self, shape: tuple[Any, ...], dtype: _DType, fortran: bool, content: bytes | bytearray
    ) -> None:
        """Keep shape, type and bytes once they fit together."""
        size = np.dtype(dtype.name).itemsize
        if len(shape) > _MOST_AXES:
            raise pickle.UnpicklingError(f"an array of {len(shape)} axes")
        whole = all(type(length) is int and 0 <= length < 1 << 62 for length in shape)
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
        flat = np.frombuffer(memoryview(self.content).toreadonly(), self.dtype)
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
        made.set(shape, dtype, order == "F", content)
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


_Operation = Callable[[Any], None]
_DISPATCH: Mapping[int, _Operation] = pickle._Unpickler.dispatch
_COSTS = {
    pickle.EMPTY_LIST: 80, pickle.LIST: 80, pickle.EMPTY_DICT: 90, pickle.EMPTY_SET: 240,
    pickle.TUPLE: 72, pickle.TUPLE1: 72,
    pickle.TUPLE2: 80, pickle.TUPLE3: 88, pickle.MARK: 88, pickle.MEMOIZE: 150, pickle.PUT: 150,
    pickle.BINPUT: 150, pickle.LONG_BINPUT: 150, pickle.NEWOBJ_EX: 130,
    pickle.OBJ: 130, pickle.INST: 130,
    pickle.BINFLOAT: 32, pickle.FLOAT: 32, pickle.BININT: 40, pickle.BININT2: 40, pickle.INT: 40,
    pickle.LONG1: 40, pickle.LONG: 40, pickle.SHORT_BINUNICODE: 64, pickle.BINUNICODE: 64,
    pickle.UNICODE: 64, pickle.SHORT_BINSTRING: 64, pickle.STRING: 64, pickle.SHORT_BINBYTES: 48,
    pickle.BINBYTES: 48,
}  # fmt: skip
"""Bytes of memory that the operations of a pickle take, beside the bytes that they copy."""
_COST_OF_MEMBER, _COST_OF_CALL = 110, 130
_MOST_ARGUMENTS = 8
_LARGEST_KEY = 1 << 31
_SHARE = 2
"""Of the memory that a file may take, one part in so many is for what a pickle makes."""


class _Bounded:
    """A file of which nothing is read beyond its end, so that no memory is taken for it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        if count > self._left:
            raise EOFError("cut short")
        return self._file.read(count)


def _counted(operation: _Operation, cost: int) -> _Operation:
    def counted(self: Any) -> None:
        self.charge(cost)
        operation(self)

    return counted


def _filling(operation: _Operation, step: int) -> _Operation:
    """An operation that puts what lies above the last mark into a dictionary or set."""

    def filling(self: Any) -> None:
        self.charge(_COST_OF_MEMBER * (1 + len(self.stack)))
        _check_keys(self.stack[::step])
        operation(self)

    return filling


def _set_item(self: Any) -> None:
    self.charge(_COST_OF_MEMBER)
    _check_keys(self.stack[-2:-1])
    _DISPATCH[pickle.SETITEM[0]](self)


def _check_keys(keys: list[Any]) -> None:
    """Refuse keys other than texts and small numbers: of others, few take long to tell apart."""
    for key in keys:
        small = type(key) is int and abs(key) < _LARGEST_KEY
        if not small and not isinstance(key, str | bytes | bool | None):
            raise pickle.UnpicklingError(f"a {type(key).__name__} as the key of a dictionary")


def _calling(operation: _Operation) -> _Operation:
    """An operation that calls what lies below its arguments."""

    def calling(self: Any) -> None:
        arguments = self.stack[-1]
        if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
            raise pickle.UnpicklingError("a call with odd arguments")
        self.charge(_COST_OF_CALL + sum(len(one) for one in arguments if isinstance(one, str)))
        operation(self)

    return calling


def _load_byte_array(self: Any) -> None:
    (length,) = struct.unpack("<Q", self.read(8))
    self.append(bytearray(self.read(length)))


class _PlainUnpickler(pickle._Unpickler):
    """Gives stand-ins for the few names that arrays need, and refuses all others.

    It is the form of `pickle.Unpickler` that is written in Python: in C, nine bytes of a pickle
    take 9 GB.
    """

    def __init__(self, file: IO[bytes], source: str, size: int) -> None:
        super().__init__(_Bounded(file, size))
        self._source = source
        self._left = (TIMES * size + BESIDE) // _SHARE

    def charge(self, cost: int) -> None:
        """Count memory.

        Raises:
            pickle.UnpicklingError: If it is more than a file of this size may take.
        """
        self._left -= cost
        if self._left < 0:
            raise pickle.UnpicklingError("it asks for too much memory for its size")

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            asked = ascii(f"{module}.{name}")[1:-1][:200]  # may hold line breaks
            raise StarsError(
                f"{self._source}: this pickle asks for {asked}, which is not an array or "
                "a plain container and was not run: do not trust where the file comes from"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise StarsError(f"{self._source}: this pickle refers to an object outside of it: refused")

    dispatch: ClassVar[dict[int, _Operation]] = {
        **_DISPATCH,
        **{code[0]: _counted(_DISPATCH[code[0]], cost) for code, cost in _COSTS.items()},
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _filling(_DISPATCH[pickle.SETITEMS[0]], 2),
        pickle.DICT[0]: _filling(_DISPATCH[pickle.DICT[0]], 2),
        pickle.ADDITEMS[0]: _filling(_DISPATCH[pickle.ADDITEMS[0]], 1),
        pickle.FROZENSET[0]: _filling(_DISPATCH[pickle.FROZENSET[0]], 1),
        pickle.REDUCE[0]: _calling(_DISPATCH[pickle.REDUCE[0]]),
        pickle.NEWOBJ[0]: _calling(_DISPATCH[pickle.NEWOBJ[0]]),
        pickle.BYTEARRAY8[0]: _load_byte_array,
    }
