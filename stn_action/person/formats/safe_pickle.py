"""Pickles of numbers, text, containers and numpy arrays, read without running anything in them.

`pickle.load` calls whatever a file names. Here a small machine executes the opcodes: a global is
only a name, the few calls that numpy's arrays and scalars need are replaced by functions that check
their arguments, and numpy's own constructors never see the file's values.

Why not `pickle.Unpickler` with a `find_class` that admits a list of globals: that stops foreign
code but not a foreign file. Measured with Python 3.11 to 3.13, nothing but containers in the file:
    - a memo index (`r`, 7 bytes in all) makes it allocate an array of twice as many pointers: 2 GiB
      for index 2**27, 64 GiB for the largest one
    - a million nested tuples as a dictionary key (1 MB) overflow the C stack in `hash`, and the
      process dies of a segmentation fault
    - the opcodes EXT1 to EXT4 return what `copyreg` has cached without asking `find_class`, and
      NEWOBJ, BUILD and the like cannot be turned off one by one
None of these can be intercepted from a subclass; the machine has none of them, because it executes
only the opcodes in `_STEPS` and checks every key, call and state.
"""

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stn_action.errors import InputError
from stn_action.person.formats.pickled_numpy import (
    PickledArray,
    PickledDtype,
    array_of_buffer,
    scalar_of,
)
from stn_action.person.formats.text_files import read_bytes

MAX_BYTES = 2**28
GLOBALS = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    "__builtin__ bytes": "bytes",
    **{f"numpy.{core}.multiarray _reconstruct": "_reconstruct" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": "_frombuffer" for core in ("core", "_core")},
}
"""The admitted globals, as module and name, and what they mean here."""
MAX_SHOWN = 100
"""Characters of a file's text in a message."""


class _RefusedError(Exception):
    """Content of the file that is not admitted; the message names it."""


class _Global:
    """An admitted global: nothing but its name."""

    def __init__(self, name: str):
        self.name = name


def load_plain_pickle(path: str | Path) -> Any:
    """Read a pickle of plain values.

    Args:
        path: made by any Python and numpy, in any protocol.

    Returns:
        dicts with keys of text or numbers, lists, tuples, text, bytes and numbers; numpy's scalars
        come as Python's, its arrays as `PickledArray`. The structure may contain itself.

    Raises:
        InputError: the file cannot be read, is truncated or goes on after its end, or it asks for a
            global or an operation that such values do not need.
    """
    data = read_bytes(path, max_bytes=MAX_BYTES)
    machine = _Machine()
    end = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            machine.step(opcode.name, argument)
            end = (position or 0) + 1
        (result,) = machine.stack
        machine.check_finished()
    except _RefusedError as error:
        raise InputError(
            f"{path}: {error}; a file of boxes does not need that and may be harmful, so nothing "
            "in it was run: take the file from its official source"
        ) from None
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path}: this is no pickle of boxes, or a damaged one: {str(error)[:MAX_SHOWN]}"
        ) from error
    if end != len(data):
        raise InputError(f"{path}: {len(data) - end} bytes follow the end of the pickle")
    return result


class _Machine:
    """The stack, the marks and the memo of the pickle protocol."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _STEPS:
            _STEPS[opcode](self, argument)
        elif opcode == "INST":
            raise _RefusedError(f"the pickle asks for {argument[:MAX_SHOWN].replace(' ', '.')}")
        elif opcode not in _NOTHING:
            raise _RefusedError(f"the pickle uses the operation {opcode}")

    def check_finished(self) -> None:
        if self.marked:
            raise ValueError("an open mark at its end")

    def items(self) -> list[Any]:
        """Remove and return everything above the last mark."""
        items = self.stack
        self.stack = self.marked.pop()
        return items

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def pop_mark(self, _: Any) -> None:
        self.items()

    def mark(self, _: Any) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else int(index)] = self.stack[-1]

    def get(self, index: int) -> None:
        if int(index) not in self.memo:
            raise ValueError(f"the value {index} was not there before")
        self.stack.append(self.memo[int(index)])

    def make_tuple(self, count: int) -> None:
        values = tuple(self.stack[len(self.stack) - count :])
        if len(values) != count:
            raise IndexError("a tuple of more values than there are")
        del self.stack[len(self.stack) - count :]
        self.stack.append(values)

    def marked_tuple(self, _: Any) -> None:
        values = tuple(self.items())
        self.stack.append(values)

    def marked_list(self, _: Any) -> None:
        values = self.items()
        self.stack.append(values)

    def marked_dict(self, _: Any) -> None:
        values = self.items()
        self.stack.append({})
        self.set_items(values)

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError(f"values are appended to a {type(target).__name__}")
        target.extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise TypeError(f"keys and values are set in a {type(target).__name__}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, (str, int, float, bytes)):
                raise TypeError(f"a key is a {type(key).__name__}, not text or a number")
            target[key] = value

    def find(self, module: Any, name: Any) -> None:
        # the text of a container may be endless: nested lists that hold each other many times
        parts = [part if type(part) is str else type(part).__name__ for part in (module, name)]
        meaning = GLOBALS.get(f"{module} {name}") if parts == [module, name] else None
        if meaning is None:
            raise _RefusedError(f"the pickle asks for {'.'.join(parts)[:MAX_SHOWN]}")
        self.stack.append(_Global(meaning))

    def reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Global) or function.name not in _CALLS:
            what = function.name if isinstance(function, _Global) else type(function).__name__
            raise _RefusedError(f"the pickle calls a {what}")
        if type(arguments) is not tuple:
            raise TypeError(f"{function.name} is called with a {type(arguments).__name__}")
        self.stack.append(_CALLS[function.name](*arguments))

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, (PickledArray, PickledDtype)):
            raise _RefusedError(f"the pickle sets the state of a {type(target).__name__}")
        target.set_state(state)


def _reconstruct(kind: Any, _shape: Any, _code: Any) -> PickledArray:
    if not isinstance(kind, _Global) or kind.name != "ndarray":
        raise TypeError("an array of a kind that is not numpy.ndarray")
    return PickledArray()


def _encode(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or encoding != "latin1":
        raise ValueError("text is encoded otherwise than bytes are in old pickles")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""  # bytes() is how protocols up to 2 write it


_CALLS: dict[str, Callable[..., Any]] = {
    "_reconstruct": _reconstruct,
    "_frombuffer": array_of_buffer,
    "dtype": PickledDtype,
    "scalar": scalar_of,
    "encode": _encode,
    "bytes": _no_bytes,
}
_NOTHING = {"PROTO", "FRAME", "STOP"}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BYTEARRAY8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "TUPLE1": lambda machine, _: machine.make_tuple(1),
    "TUPLE2": lambda machine, _: machine.make_tuple(2),
    "TUPLE3": lambda machine, _: machine.make_tuple(3),
    "TUPLE": _Machine.marked_tuple,
    "LIST": _Machine.marked_list,
    "DICT": _Machine.marked_dict,
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.items()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.items()),
    "GLOBAL": lambda machine, argument: machine.find(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.find(machine.stack.pop(-2), machine.stack.pop()),
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
