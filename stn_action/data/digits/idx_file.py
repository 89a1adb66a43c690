"""Files in the idx format of MNIST: a magic number, the sizes, the bytes.

LeCun, Cortes and Burges, "The MNIST database of handwritten digits": two zero bytes, the type of
the values (8: unsigned bytes), the number of dimensions, each size as a big-endian 32-bit number,
then the values, the last dimension fastest.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stn_action.disk.regular_file import read_regular
from stn_action.errors import InputError

MAX_IDX_BYTES = 2**28
"""More than any set of this format has; MNIST's largest file has 47 MB."""
_UNSIGNED_BYTE = 8


def read_idx(path: str | Path, *, num_dimensions: int) -> Tensor:
    """Return the values of an idx file of unsigned bytes.

    Args:
        path: the file, compressed by gzip if its name ends in `.gz`.
        num_dimensions: expected: 3 of images (N, H, W), 1 of labels (N,).

    Returns:
        uint8 of the sizes that the file tells.

    Raises:
        InputError: it cannot be read, is cut off or longer than it tells, or holds something else.
    """
    content = read_regular(path, max_bytes=MAX_IDX_BYTES, what="idx file")
    if Path(path).suffix == ".gz":
        content = _unzipped(content, path)
    header = 4 + 4 * num_dimensions
    magic = bytes([0, 0, _UNSIGNED_BYTE, num_dimensions])
    if content[:4] != magic:
        raise InputError(
            f"{path}: not the expected idx file: it must begin with the bytes {magic.hex(' ')} "
            f"(unsigned bytes in {num_dimensions} dimensions), got {content[:4].hex(' ') or 'none'}"
            "; is this another file of the set, or not unzipped?"
        )
    if len(content) < header:
        raise InputError(f"{path}: cut off: {len(content)} bytes, its header alone has {header}")
    sizes = struct.unpack(f">{num_dimensions}I", content[4:header])
    expected = header + int(np.prod(sizes, dtype=object))
    if len(content) != expected:
        state = "cut off" if len(content) < expected else "longer than it tells"
        raise InputError(
            f"{path}: {state}: {len(content)} bytes, but {' x '.join(map(str, sizes))} values need "
            f"{expected}; get the file again"
        )
    values = np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes)
    return torch.from_numpy(values.copy())


def _unzipped(content: bytes, path: str | Path) -> bytes:
    """Return the content of a gzip file, at most one byte more than may be."""
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        values = unpacking.decompress(content, MAX_IDX_BYTES + 1)
    except zlib.error as error:
        raise InputError(f"{path}: damaged: not unpacked by gzip ({error}); get it again") from None
    if len(values) > MAX_IDX_BYTES:
        raise InputError(f"{path}: more than {MAX_IDX_BYTES} bytes; is this another file?")
    if not unpacking.eof:
        raise InputError(f"{path}: cut off: its gzip data has no end; get it again")
    return values


def write_idx(path: str | Path, values: Tensor) -> None:
    """Write values as an idx file, compressed by gzip if its name ends in `.gz`.

    Args:
        path: the file.
        values: uint8 of up to 255 dimensions.
    """
    header = struct.pack(f">4B{values.dim()}I", 0, 0, _UNSIGNED_BYTE, values.dim(), *values.shape)
    content = header + values.contiguous().numpy().tobytes()
    Path(path).write_bytes(gzip.compress(content) if Path(path).suffix == ".gz" else content)
