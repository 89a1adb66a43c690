"""PyTorch's files, read without running code in them and within bounds.

`torch.load(weights_only=True)` runs no code, but measured with PyTorch 2.15 a file of one
megabyte ends the process: a million tuples inside each other as a key overflow the C stack in
`hash`. `bytearray` with a number is admitted and takes as much memory as the number tells, and an
archive may be compressed to a thousandth. So the operations of the pickle are followed first,
without executing them: only the globals that tensors need, and tuples of bounded depth.
"""

import pickletools
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError

GLOBALS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter)"
    r"|torch (Size|device|\w+Storage|u?int\d+|float\d+|bfloat16|half|double|bool)"
    r"|torch\.storage (UntypedStorage|TypedStorage|_load_from_bytes)"
)
"""Modules and names that tensors, their types and devices, and dicts are made of."""
MAX_PICKLE_BYTES = 2**26
MAX_TUPLES = 50
"""Depth of tuples inside each other; those that describe a tensor have three."""
PICKLES_OF_OLD_FILES = 5
"""Of a file written before PyTorch 1.6: magic number, version, system, content, storages."""


class TorchFileError(Exception):
    """A file that is not loaded; the message is a reason in plain words, without its name."""


def load_torch_file(path: Path) -> Any:
    """Return the content of a PyTorch file, on the CPU.

    Raises:
        TorchFileError: it is no such file, it is damaged, or holds more than plain values and
            tensors.
        InputError: there is no such file, or it cannot be read.
    """
    try:
        with open_regular(path) as file:
            _check_file(file)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (TorchFileError, InputError):
        raise
    except Exception:  # noqa: BLE001  (PyTorch and zipfile raise nearly anything on damage)
        raise TorchFileError("it is damaged, or no file that PyTorch writes") from None


def _check_file(file: BinaryIO) -> None:
    if not zipfile.is_zipfile(file):
        file.seek(0)
        for _ in range(PICKLES_OF_OLD_FILES):
            _check_operations(pickletools.genops(file))
        return
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        file.seek(0, 2)
        # PyTorch compresses nothing: what is larger inside than outside would fill the memory.
        if sum(entry.file_size for entry in archive.infolist()) > file.tell():
            raise TorchFileError("it is an archive of more bytes than it has")
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                if entry.file_size > MAX_PICKLE_BYTES:
                    raise TorchFileError(f"{entry.file_size} bytes describe its content")
                _check_operations(pickletools.genops(archive.read(entry)))


def _check_operations(operations: Iterable[tuple[pickletools.OpcodeInfo, Any, Any]]) -> None:
    """Follow the operations of one pickle, with the depth of tuples in place of values.

    Raises:
        TorchFileError: it asks for a global that tensors do not need, or tuples are too deep.
        IndexError: it takes from an empty stack.
    """
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[int, int] = {}
    for operation, argument, _ in operations:
        name = operation.name
        if name == "GLOBAL" and not GLOBALS.fullmatch(argument):
            raise TorchFileError(
                f"it asks for {argument[:100].replace(' ', '.')}, which tensors, numbers and text "
                "do not need, so nothing in it was run"
            )
        if name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo.get(argument, 0))
        else:
            depth = _popped_depth(operation, stack, marks)
            if depth >= MAX_TUPLES:
                raise TorchFileError(f"more than {MAX_TUPLES} tuples are inside each other")
            pushed = depth + 1 if name.startswith("TUPLE") else 0
            stack += [pushed] * len(operation.stack_after)


def _popped_depth(
    operation: pickletools.OpcodeInfo, stack: list[int], marks: list[int]
) -> int:  # fmt: skip
    """Remove what an operation takes from the stack; return the largest depth in it."""
    taken = operation.stack_before
    count = len(taken)
    if pickletools.markobject in taken:
        start = marks.pop() - taken.index(pickletools.markobject)
    else:
        start = len(stack) - count
    if start < 0:
        raise IndexError("an operation takes more than there is")
    depth = max(stack[start:], default=0)
    del stack[start:]
    return depth
