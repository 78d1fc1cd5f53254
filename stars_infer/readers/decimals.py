"""Decimal numbers in text, many at once: the same as Python's `float` of each, bit for bit.

A number of at most 15 digits is the quotient of two whole numbers that float64 holds exactly, so
that one division rounds it correctly (Clinger 1990, the fast path of every `strtod`). Its digits
are read eight at a time out of one 64-bit word (Lemire 2021, "Number parsing at a gigabyte per
second", section 4). Any other spelling goes through `float`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]

_SPACE, _NEWLINE, _RETURN, _MINUS, _DOT, _ZERO, _NINE = b" \n\r-.09"
_WORD = 8
"""Digits that are read at once."""
_MOST_DIGITS = 15
"""More might not fit into the 53 bits of a float64."""
_POWERS = np.array([float(10**digits) for digits in range(_MOST_DIGITS + 1)])
_DIGITS = np.array(
    [int.from_bytes(bytes(_WORD - kept) + b"\x0f" * kept, "little") for kept in range(_WORD + 1)],
    np.uint64,
)
"""For 0 to 8 digits at the end of a word, the bits that say which they are."""
_PAIRING = [
    (np.uint64(mask), np.uint64(1 + (10**digits << bits)), np.uint64(bits))
    for mask, digits, bits in (
        (0x0F0F0F0F0F0F0F0F, 1, 8),
        (0x00FF00FF00FF00FF, 2, 16),
        (0x0000FFFF0000FFFF, 4, 32),
    )
]
"""Three steps from eight digits to one number: neighbors are joined, 10 a + b, 100 a + b, ..."""


def first_numbers(text: bytes, *, columns: int, wanted: int) -> NDArray[np.float64]:
    """The first numbers of every line of a table; the others are only checked to be numbers.

    Args:
        text: Lines of numbers with white space between them, each with its line end.
        columns: Numbers in a line.
        wanted: How many of them are returned.

    Returns:
        (lines, wanted).

    Raises:
        ValueError: If a line has another number of columns, or something is not a number.
    """
    text = _with_plain_line_ends(text)
    try:
        return _Table(text, columns).first(wanted)
    except _UnevenlySpacedError:
        lines = text.removesuffix(b"\n").split(b"\n")
        even = b"".join(b" ".join(line.split()) + b"\n" for line in lines)
        return _Table(even, columns).first(wanted)


def _with_plain_line_ends(text: bytes) -> bytes:
    """The text with LF for CRLF; replacing pairs of bytes takes as long as all the parsing."""
    if b"\r" not in text:
        return text
    data = np.frombuffer(text + b"\n", np.uint8)
    returns = np.flatnonzero(data == _RETURN)
    return text.replace(b"\r", b"") if (data[returns + 1] == _NEWLINE).all() else text


class _UnevenlySpacedError(ValueError):
    """There are other separators than single spaces."""


class _Table:
    """A text with single separators between its numbers, and where these begin and end."""

    def __init__(self, text: bytes, columns: int) -> None:
        self.columns = columns
        # One line end before the first number, and room for the word that its digits end.
        self.text = b"\n" * _WORD + text
        self.bytes = np.frombuffer(self.text, np.uint8, offset=_WORD - 1)
        self.words = np.ndarray(len(text) + 1, "<u8", self.text, strides=(1,))
        """The eight bytes up to each of `bytes`, that included."""
        self.separators = self.bytes <= _SPACE
        self.marks = np.flatnonzero(self.separators | (self.bytes == _DOT))
        """Where separators and decimal points are."""
        kinds = self.bytes[self.marks]
        self.ends = np.flatnonzero(kinds != _DOT)
        """Of the numbers, after the line end before them all: places in `marks`."""
        self.pointed = np.diff(self.ends)
        """One for each number, and one more for each decimal point in it."""
        self.check_form(kinds)

    def check_form(self, kinds: NDArray[np.uint8]) -> None:
        newlines = np.count_nonzero(kinds == _NEWLINE)
        spaces = np.count_nonzero(kinds == _SPACE)
        doubled = self.separators[1:] & self.separators[:-1]
        if newlines + spaces != len(self.ends) or doubled.any():
            raise _UnevenlySpacedError("white space other than single spaces and line ends")
        line_ends = kinds[self.ends[:: self.columns]]
        if len(line_ends) != newlines or (line_ends != _NEWLINE).any():
            raise ValueError(f"expected lines of {self.columns} numbers")

    def first(self, wanted: int) -> NDArray[np.float64]:
        """The first numbers of each line, (lines, wanted)."""
        values, divided = self.by_division(wanted)
        left = self.oddly_spelt()
        if not divided.all():
            line, column = np.nonzero(~divided)
            left = np.concatenate((left, line * self.columns + column))
        for number in left.tolist():
            start, end = self.marks[self.ends[number : number + 2]].tolist()
            value = float(self.text[start + _WORD : end + _WORD - 1])
            line, column = divmod(number, self.columns)
            if column < wanted:
                values[line, column] = value
        return values

    def by_division(self, wanted: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """As `first`, if the numbers are plain decimals; and whether they are short enough."""
        ends = self.ends[1:].reshape(-1, self.columns)[:, :wanted].ravel()
        pointed = self.pointed.reshape(-1, self.columns)[:, :wanted].ravel() > 1
        start = self.marks[self.ends[:-1].reshape(-1, self.columns)[:, :wanted].ravel()] + 1
        end, whole_end = self.marks[ends], self.marks[ends - pointed]
        negative = self.bytes[start] == _MINUS
        whole = whole_end - start - negative
        fraction = end - whole_end - pointed
        short = (whole <= _WORD) & (whole + fraction <= _MOST_DIGITS)
        power = _POWERS.take(fraction, mode="clip")
        values = self.wholes(whole_end, whole) * power + self.digits(end, fraction)
        if len(far := np.flatnonzero(short & (fraction > _WORD))):
            values[far] += self.digits(end[far] - _WORD, fraction[far] - _WORD) * _POWERS[_WORD]
        values /= power
        np.negative(values, out=values, where=negative)
        return values.reshape(-1, wanted), short.reshape(-1, wanted)

    def wholes(self, end: Places, count: Places) -> NDArray[np.number]:
        """As `digits`; those of meters have one at most."""
        if count.max(initial=0) > 1:
            return self.digits(end, count)
        return (self.bytes[end - 1] - np.uint8(_ZERO)) * count

    def digits(self, end: Places, count: Places) -> NDArray[np.float64]:
        """Whole numbers of 0 to 8 digits before `end`."""
        word = self.words[end - 1]
        word &= _DIGITS.take(count, mode="clip")
        for mask, pairing, bits in _PAIRING:
            word &= mask
            word *= pairing
            word >>= bits
        return word.astype(np.float64)

    def oddly_spelt(self) -> Places:
        """Numbers that are not just digits, a sign before and a point among them, if numbers."""
        minus = self.bytes == _MINUS
        signs = minus[1:] & self.separators[:-1]
        other = (self.bytes - np.uint8(_ZERO)) > _NINE - _ZERO
        beside = other[1:] & other[:-1]
        some = np.count_nonzero(minus)
        if (
            some == np.count_nonzero(signs) == np.count_nonzero(beside)
            and some + len(self.marks) == np.count_nonzero(other)
            and self.pointed.max(initial=1) <= 2
        ):
            return np.zeros(0, np.intp)
        other &= ~(self.separators | minus | (self.bytes == _DOT))
        other[1:] |= (minus[1:] | beside) & ~signs
        holding = np.searchsorted(self.marks[self.ends], np.flatnonzero(other)) - 1
        return np.concatenate((holding, np.flatnonzero(self.pointed > 2)))
