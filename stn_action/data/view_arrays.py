"""Files of feature maps: arrays of all views of many videos, with a checksum of each view.

Checksums depend on a label that names what the files are of: a view that was written under another
label does not pass, and neither does one that was not written completely.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tokenize import TokenError
from types import TracebackType
from typing import NamedTuple, Self
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from stn_action.data.array_file import ArrayFile, damaged_array

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
                raise damaged_array(folder / f"{part}_{name}.npy", f"{array.dtype} {array.shape}")
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
            raise damaged_array(path, f"view {view} of video {row} is not what was written")
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
    process. What an interrupted writer of the same label has left is taken over. Files that are
    extended are written in place, so that other videos of them can be read meanwhile.
    """

    def __init__(
        self, folder: Path, part: str, leading: tuple[int, int], map_shape: Sequence[int],
        num_frames: int, label: str = "", clip_hw: tuple[int, int] | None = None, *,
        rows: Sequence[int] | None = None, extend: bool = False,
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
            rows: the videos that will be written, for which space is taken; None: all.
            extend: the files are there and of this label, and are to hold more videos.

        Raises:
            InputError: there is not enough space, the files cannot be written, or those to extend
                are damaged.
        """
        inner = {
            "features": tuple(map_shape), "frame_indices": (num_frames,), "boxes": (num_frames, 4),
            "extents": (num_frames, 2, 4), "checksums": (),
        }  # fmt: skip
        if clip_hw is not None:
            inner["clips"] = (3, num_frames, *clip_hw)
        self._label = label
        self._files: dict[str, ArrayFile] = {}
        try:
            for name, shape in inner.items():
                path = folder / f"{part}_{name}.npy"
                self._files[name] = ArrayFile(
                    path, (*leading, *shape), DTYPES[name], rows, extend=extend
                )
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


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError, SyntaxError, TokenError, TypeError, KeyError) as error:
        raise damaged_array(path, " ".join(str(error).split())[:200]) from None


def _crc(label: str, values: Sequence[np.ndarray]) -> int:
    found = crc32(label.encode())
    for value in values:
        found = crc32(np.ascontiguousarray(value).data, found)
    return found
