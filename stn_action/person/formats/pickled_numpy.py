"""Numpy's arrays and scalars as pickles describe them, rebuilt out of checked parts only."""

import math
import re
from typing import Any

import numpy as np

_CODE = re.compile(r"[biuf][1248]|[US][1-9]\d{0,4}")
_MAX_SIDE = 2**31


class PickledDtype:
    """A data type: bool, whole number, float, text or bytes; no objects, no records."""

    def __init__(self, code: Any, _align: Any = False, _copy: Any = True):
        """Store the type's code.

        Raises:
            ValueError: numpy would not pickle numbers or text with it.
        """
        if type(code) is not str:
            raise ValueError(f"an array of {type(code).__name__}, neither numbers nor text")
        if not _CODE.fullmatch(code):
            raise ValueError(f"an array of {code[:20]!r}, neither numbers nor text")
        self._code = code
        self._order = "="

    def set_state(self, state: Any) -> None:
        """Set the byte order from the state (version, order, subarray, names, fields, ...).

        Raises:
            ValueError: the state is not that of a plain type.
        """
        if type(state) is not tuple or len(state) < 5 or state[2:5] != (None, None, None):
            raise ValueError("an array of records")
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("a byte order that is none")
        self._order = "=" if state[1] == "|" else state[1]

    def dtype(self) -> np.dtype:
        """Return numpy's own type."""
        return np.dtype(self._order + self._code)


class PickledArray:
    """An array; `values` is None until its state is set."""

    def __init__(self) -> None:
        self.values: np.ndarray | None = None

    def set_state(self, state: Any) -> None:
        """Set the array from (version, shape, dtype, is Fortran order, bytes).

        Raises:
            ValueError: the parts do not fit each other.
        """
        if type(state) is not tuple or len(state) != 5:
            raise ValueError("an array of another version of numpy")
        _, shape, dtype, is_fortran, content = state
        self.values = _array(content, dtype, shape, "F" if is_fortran else "C")


def array_of_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    """Build an array as protocol 5 describes it.

    Raises:
        ValueError: the parts do not fit each other.
    """
    array = PickledArray()
    array.values = _array(content, dtype, shape, "F" if order == "F" else "C")
    return array


def scalar_of(dtype: Any, content: Any) -> Any:
    """Build a number or text of Python out of a numpy scalar.

    Raises:
        ValueError: the parts do not fit each other.
    """
    return _array(content, dtype, (), "C").item()


def _array(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, PickledDtype):
        raise ValueError("an array without a type")
    if isinstance(content, str):  # Python 2 has no bytes
        content = content.encode("latin1")
    if not isinstance(content, (bytes, bytearray)):
        raise ValueError(f"an array whose content is a {type(content).__name__}")
    if type(shape) is not tuple or len(shape) > 8:
        raise ValueError("an array whose shape is none")
    if not all(type(side) is int and 0 <= side < _MAX_SIDE for side in shape):
        raise ValueError("an array whose shape is none")
    kind = dtype.dtype()
    if math.prod(shape) * kind.itemsize != len(content):
        raise ValueError(f"an array of {shape} out of {len(content)} bytes")
    if not content:
        return np.zeros(0, kind).reshape(shape)
    return np.frombuffer(content, kind).reshape(shape, order=order)
