"""Stored maps of many views in memory, by number: what is read in every epoch is read once.

Cells come first in memory: the weighted mean of some is then one product over rows.

Letters: R views, (C, t, h, w) a map, T frames of a clip.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from stn_action.data.view_arrays import ViewArrays

MAX_MEMORY_BYTES = 4 * 2**30
"""For the maps. They are kept in float32 if they fit, else in float16, else read when needed."""


class StoredMaps:
    """The views of some videos of a cache, numbered from 0."""

    def __init__(
        self,
        parts: Mapping[str, tuple[ViewArrays, Sequence[int]]],
        max_bytes: int = MAX_MEMORY_BYTES,
    ) -> None:
        """Read the views.

        Args:
            parts: by name the arrays of a part and the rows wanted of it.
            max_bytes: of memory for maps.

        Raises:
            InputError: a view is not what was written.
        """
        self._first: dict[tuple[str, int], int] = {}
        self._places: list[tuple[ViewArrays, int, int]] = []
        for name, (arrays, rows) in parts.items():
            for row in rows:
                self._first[name, row] = len(self._places)
                self._places += [(arrays, row, view) for view in range(arrays.checksums.shape[1])]
        arrays = next(iter(parts.values()))[0]
        self.map_shape: tuple[int, int, int, int] = arrays.features.shape[2:]
        """(C, t, h, w)."""
        size = len(self) * torch.Size(self.map_shape).numel()
        dtype = torch.float32 if 4 * size <= max_bytes else torch.float16
        self._maps = torch.empty(0, dtype=dtype)
        self.in_memory = dtype.itemsize * size <= max_bytes
        if self.in_memory:
            C, t, h, w = self.map_shape
            self._maps = torch.empty(len(self), h, w, t, C, dtype=dtype)
        self.extents = torch.empty(len(self), *arrays.extents.shape[2:])
        """(R, T, 2, 4) float32, see `batch.Sample.extents`."""
        for number, (arrays, row, view) in enumerate(self._places):
            if self.in_memory:
                stored = arrays.view(row, view)
                self.extents[number] = stored.extents
                self._maps[number] = stored.features.permute(2, 3, 1, 0)  # (h, w, t, C)
            else:
                self.extents[number] = torch.from_numpy(np.array(arrays.extents[row, view]))

    def __len__(self) -> int:
        """Return R."""
        return len(self._places)

    def number(self, part: str, row: int, view: int) -> int:
        """Return the number of a view of a part."""
        return self._first[part, row] + view

    def maps(self, numbers: Tensor) -> Tensor:
        """Return the maps (B, C, t, h, w) float32 of views (B,).

        Raises:
            InputError: a view that is read from the disk is not what was written.
        """
        if self.in_memory:
            return self._maps[numbers].float().permute(0, 4, 3, 1, 2)
        return torch.stack([self._read(number) for number in numbers.tolist()])

    def cells(self, number: int) -> Tensor:
        """Return the map of a view as cells, (h * w, t, C) float32.

        Raises:
            InputError: as `maps`.
        """
        if self.in_memory:
            return self._maps[number].flatten(0, 1).float()
        return self._read(number).permute(2, 3, 1, 0).flatten(0, 1)

    def clip(self, number: int) -> Tensor:
        """Return the pixels (3, T, H, W) uint8 of a view, which are read from the disk."""
        arrays, row, view = self._places[number]
        return arrays.clip(row, view)

    def _read(self, number: int) -> Tensor:
        arrays, row, view = self._places[number]
        return arrays.view(row, view).features
