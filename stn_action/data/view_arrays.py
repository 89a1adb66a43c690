"""Files of feature maps: arrays of all views of many videos, with a checksum of each view.

Checksums depend on a label that names what the files are of: a view that was written under another
label does not pass, and neither does one that was not written completely.
"""

import os
from collections.abc import Mapping, Sequence
from io import BytesIO, FileIO
from pathlib import Path
from tokenize import TokenError
from types import TracebackType
from typing import Any, NamedTuple, Self
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from stn_action.disk.atomic_file import unwritable, write_all
from stn_action.errors import InputError

DTYPES = {
    "features": np.dtype("<f2"), "frame_indices": np.dtype("<i8"), "boxes": np.dtype("<f4"),
    "extents": np.dtype("<f4"), "clips": np.dtype("u1"), "checksums": np.dtype("<u4"),
}  # fmt: skip
"""The arrays of a part, each in a file `<part>_<name>.npy`; clips only where they are wanted."""
MEASURED = tuple(name for name in DTYPES if name != "checksums")
"""Those that the checksums are of."""


class StoredView(NamedTuple):
    """One view as it was stored."""

    features: Tensor
    """(C, t, h, w) float32."""
    frame_indices: Tensor
    """(T,) int64."""
    boxes: Tensor
    """(T, 4) float32."""
    extents: Tensor
    """(T, 2, 4) float32."""
    clip: Tensor | None
    """(3, T, H, W) uint8, if clips are stored."""


class ViewArrays(NamedTuple):
    """The views of N videos, memory-mapped; T frames of the clip, t time steps of the map."""

    features: np.ndarray
    """(N, views, C, t, h, w) float16."""
    frame_indices: np.ndarray
    """(N, views, T) int64."""
    boxes: np.ndarray
    """(N, views, T, 4) float32."""
    extents: np.ndarray
    """(N, views, T, 2, 4) float32."""
    checksums: np.ndarray
    """(N, views) uint32: CRC-32 of the label and of all others."""
    clips: np.ndarray | None = None
    """(N, views, 3, T, H, W) uint8, the pixels; None: they are not stored."""
    label: str = ""
    """What the files are of."""

    @classmethod
    def open(cls, folder: Path, part: str, label: str = "", *, with_clips: bool = False) -> Self:
        """Open what a `ViewWriter` wrote, to read.

        Raises:
            InputError: a file is missing or damaged.
        """
        names = [name for name in DTYPES if with_clips or name != "clips"]
        arrays = {name: _open_array(folder / f"{part}_{name}.npy") for name in names}
        for name, array in arrays.items():
            if array.dtype != DTYPES[name] or array.shape[:2] != arrays["checksums"].shape:
                raise _damaged(folder / f"{part}_{name}.npy", f"{array.dtype} {array.shape}")
        return cls(**arrays, label=label)

    def view(self, row: int, view: int) -> StoredView:
        """Return a view.

        Raises:
            InputError: it is not what was written.
        """
        stored = [getattr(self, name) for name in MEASURED]
        values = [array[row, view] for array in stored if array is not None]
        if _crc(self.label, values) != self.checksums[row, view]:
            path = Path(str(getattr(self.features, "filename", "features")))
            raise _damaged(path, f"view {view} of video {row} is not what was written")
        features, *others = values
        frame_indices, boxes, extents, *clip = (torch.from_numpy(np.array(one)) for one in others)
        return StoredView(
            torch.from_numpy(features.astype(np.float32)), frame_indices, boxes, extents,
            clip[0] if clip else None,
        )  # fmt: skip

    def clip(self, row: int, view: int) -> Tensor:
        """Return the pixels (3, T, H, W) uint8 of a view, without looking at its checksum."""
        assert self.clips is not None
        return torch.from_numpy(np.array(self.clips[row, view]))


class ViewWriter:
    """The views of N videos on their way to the disk. A context manager.

    The files get their names at the end of the block, if there is no error. Their space is taken at
    the beginning, and they are written, not mapped: memory that is mapped to a full disk kills the
    process. What an interrupted writer of the same label has left is taken over.
    """

    def __init__(
        self, folder: Path, part: str, leading: tuple[int, int], map_shape: Sequence[int],
        num_frames: int, label: str = "", clip_hw: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        """Take the space of the files.

        Args:
            folder: where to.
            part: prefix of the files.
            leading: N and the number of views.
            map_shape: (C, t, h, w).
            num_frames: T.
            label: what the files are of.
            clip_hw: H, W of clips whose pixels are stored too; None: they are not.

        Raises:
            InputError: there is not enough space, or the files cannot be written.
        """
        inner = {
            "features": tuple(map_shape), "frame_indices": (num_frames,), "boxes": (num_frames, 4),
            "extents": (num_frames, 2, 4), "checksums": (),
        }  # fmt: skip
        if clip_hw is not None:
            inner["clips"] = (3, num_frames, *clip_hw)
        self._label = label
        self._files: dict[str, _ArrayFile] = {}
        try:
            for name, shape in inner.items():
                path = folder / f"{part}_{name}.npy"
                self._files[name] = _ArrayFile(path, (*leading, *shape), DTYPES[name])
        except BaseException:
            self.discard()
            raise
        self._worth_keeping = all(file.continued for file in self._files.values())

    def write(
        self, row: int, maps: Tensor, frame_indices: Tensor, boxes: Tensor, extents: Tensor,
        clips: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Write all views of a video; the arguments are as the fields of `ViewArrays`.

        Clips must be given where they are stored, and are left out elsewhere.

        Raises:
            InputError: they cannot be written.
        """
        given = {
            "features": maps, "frame_indices": frame_indices, "boxes": boxes, "extents": extents,
            "clips": clips,
        }  # fmt: skip
        arrays = {
            name: value.numpy().astype(DTYPES[name])
            for name, value in given.items()
            if name in self._files and value is not None
        }
        arrays["checksums"] = self._checksums(arrays)
        assert arrays.keys() == self._files.keys()
        for name, array in arrays.items():
            self._files[name].write(row, array)
        self._worth_keeping = True

    def holds(self, row: int) -> bool:
        """Return whether all views of a video have been written, by this or another writer."""
        if not self._worth_keeping:
            return False
        arrays = {name: file.read(row) for name, file in self._files.items()}
        return np.array_equal(arrays.pop("checksums"), self._checksums(arrays))

    def _checksums(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        views = zip(*(arrays[name] for name in MEASURED if name in arrays), strict=True)
        return np.array([_crc(self._label, values) for values in views], DTYPES["checksums"])

    def discard(self) -> None:
        """Remove what has no final name."""
        for file in self._files.values():
            file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and self._worth_keeping:
            for file in self._files.values():
                file.close()
            return
        try:
            if kind is None:
                for file in self._files.values():
                    file.finish()
        finally:
            self.discard()


class _ArrayFile:
    """A `.npy` file that is written row by row under another name."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.tmp")
        self._row_shape, self._dtype = shape[1:], dtype
        self._row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        size = shape[0] * self._row_bytes
        header = _header(shape, dtype)
        self._start = len(header)
        self._file: FileIO | None = None
        try:
            self.continued = _begins_with(self.temporary, header, self._start + size)
            self._file = self.temporary.open("r+b" if self.continued else "w+b", buffering=0)
            if not self.continued:
                write_all(self._file, header)
                _reserve(self._file, self._start + size)
        except OSError as error:
            self.discard()
            raise self._unwritable(error, size) from error

    def write(self, row: int, array: np.ndarray) -> None:
        assert self._file is not None
        assert (array.shape, array.dtype) == (self._row_shape, self._dtype)
        data = np.ascontiguousarray(array).data.cast("B")
        self._file.seek(self._start + row * self._row_bytes)
        try:
            write_all(self._file, data)
        except OSError as error:
            raise self._unwritable(error, len(data)) from error

    def read(self, row: int) -> np.ndarray:
        assert self._file is not None
        self._file.seek(self._start + row * self._row_bytes)
        data = self._file.read(self._row_bytes)
        return np.frombuffer(data, self._dtype).reshape(self._row_shape)

    def finish(self) -> None:
        assert self._file is not None
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self.temporary.replace(self.path)
        except OSError as error:
            raise self._unwritable(error, 0) from error

    def close(self) -> None:
        assert self._file is not None
        self._file.close()

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self.temporary.unlink(missing_ok=True)
            self._file = None

    def _unwritable(self, error: OSError, size: int) -> InputError:
        return unwritable(
            self.path, error, f"it takes {size:,} bytes: make room, or give another folder"
        )


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    buffer = BytesIO()
    content = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, content)
    return buffer.getvalue()


def _begins_with(path: Path, header: bytes, size: int) -> bool:
    """Return whether a file has a size, and begins with this header."""
    try:
        with path.open("rb") as file:
            return file.read(len(header)) == header and path.stat().st_size == size
    except FileNotFoundError:
        return False


def _reserve(file: FileIO, size: int) -> None:
    """Take the space of a file, filled with zeros.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError, SyntaxError, TokenError, TypeError, KeyError) as error:
        raise _damaged(path, " ".join(str(error).split())[:200]) from None


def _crc(label: str, values: Sequence[np.ndarray]) -> int:
    found = crc32(label.encode())
    for value in values:
        found = crc32(np.ascontiguousarray(value).data, found)
    return found


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: damaged ({reason}); delete the folder, and it is filled again")
