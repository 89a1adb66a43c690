"""The inputs and outputs that an ONNX file declares, read without running or unpacking it.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, whose field numbers stand below, in
the wire format of protocol buffers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stn_action.errors import InputError

Shape = tuple[int | None, ...]
"""None: a dimension that the file leaves open."""

GRAPH = 7
"""Of a model."""
INITIALIZER, INPUT, OUTPUT = 5, 11, 12
"""Of a graph. Old files list initializers, the weights, among the inputs too."""
TENSOR_NAME = 8
"""Of an initializer."""
VALUE_NAME, VALUE_TYPE, TENSOR_TYPE, TENSOR_SHAPE = 1, 2, 1, 2
"""Of an input or output, and of its type."""
DIMENSION = SIZE = 1
"""Of a shape, and of a dimension."""
VARINT, LENGTH = 0, 2
"""Kinds of fields: numbers, and contents behind their length."""
FIXED_SIZES = {1: 8, 5: 4}
"""Of the other kinds, bytes."""


class OnnxSignature(NamedTuple):
    """The tensors that go into a network and come out of it."""

    inputs: dict[str, Shape]
    """By name, in the order of the file."""
    outputs: dict[str, Shape]

    def __str__(self) -> str:
        return f"inputs {_listed(self.inputs)}, outputs {_listed(self.outputs)}"


def read_signature(path: Path) -> OnnxSignature:
    """Read the inputs and outputs of a network.

    Raises:
        InputError: there is no such file, or it is no ONNX file, or an incomplete one.
    """
    if not path.is_file():
        raise InputError(f"--detector: no file {path}; expected a network in ONNX")
    try:
        graphs = _contents(memoryview(path.read_bytes()), GRAPH)
        if not graphs:
            raise _MalformedError("it has no graph")
        weights = {_text(one, TENSOR_NAME) for one in _contents(graphs[0], INITIALIZER)}
        inputs = dict(map(_value, _contents(graphs[0], INPUT)))
        outputs = dict(map(_value, _contents(graphs[0], OUTPUT)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except _MalformedError as error:
        raise InputError(f"{path}: is not an ONNX network, or not all of it ({error})") from None
    given = {name: shape for name, shape in inputs.items() if name not in weights}
    return OnnxSignature(given, outputs)


class _MalformedError(ValueError):
    """These bytes are no message of protocol buffers."""


def _value(message: memoryview) -> tuple[str, Shape]:
    """Return the name and the shape of an input or output; () if it has none."""
    inner = [message]
    for number in (VALUE_TYPE, TENSOR_TYPE, TENSOR_SHAPE):
        inner = [one for outer in inner for one in _contents(outer, number)]
    sizes = [dict(_fields(one)).get(SIZE) for shape in inner for one in _contents(shape, DIMENSION)]
    return _text(message, VALUE_NAME), tuple(
        one if isinstance(one, int) and one > 0 else None for one in sizes
    )


def _text(message: memoryview, number: int) -> str:
    return b"".join(_contents(message, number)).decode("utf-8", "replace")


def _contents(message: memoryview, number: int) -> list[memoryview]:
    return [one for field, one in _fields(message) if field == number and not isinstance(one, int)]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield number and content of each field; the contents of those of a fixed size are empty."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        size = FIXED_SIZES.get(kind, -1)
        if kind == LENGTH:
            size, place = _varint(message, place)
        if size < 0 or place + size > len(message):
            raise _MalformedError(f"byte {place}")
        yield number, message[place : place + (size if kind == LENGTH else 0)]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return the number of seven bits a byte that starts at a place, and the place behind it."""
    for length in range(10):
        if place + length >= len(message):
            break
        if message[place + length] < 128:
            parts = (message[place + one] & 127 for one in range(length + 1))
            return sum(part << 7 * one for one, part in enumerate(parts)), place + length + 1
    raise _MalformedError(f"byte {place}")


def _listed(tensors: dict[str, Shape]) -> str:
    shapes = {
        name: "x".join("?" if one is None else str(one) for one in shape)
        for name, shape in tensors.items()
    }
    return ", ".join(f"{name} ({shape})" for name, shape in shapes.items()) or "none"
