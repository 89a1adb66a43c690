"""Groups and equal names among a million videos, without a Python object for each.

Letters: N videos, G groups.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from stn_action.data.video_columns import TextColumn
from stn_action.data.video_table import VideoTable


def numbered_groups(videos: VideoTable) -> tuple[list[str], Tensor]:
    """Return the groups (G), sorted, and (N,) int64: the place of each video's group in them."""
    number_of: defaultdict[str, int] = defaultdict(lambda: len(number_of))
    numbers = array("q")
    for groups in videos.texts("group"):
        numbers.extend(map(number_of.__getitem__, groups))
    names = sorted(number_of)
    place_of = torch.empty(len(names), dtype=torch.int64)
    place_of[_tensor(number_of[name] for name in names)] = torch.arange(len(names))
    return names, place_of[_tensor(numbers)]


def may_repeat(tables: Iterable[VideoTable], column: TextColumn, *, within: bool) -> bool:
    """Return whether a text may be there twice; False is certain.

    Hashes are compared: a set of a million texts would take 200 MB.

    Args:
        tables: of videos.
        column: what is compared.
        within: in one table; else in two of them, however often in each.
    """
    hashes = [_hashes(videos, column) for videos in tables]
    if not within:
        hashes = [torch.cat([_distinct(one) for one in hashes])] if hashes else []
    return any(len(_distinct(one)) < len(one) for one in hashes)


def _hashes(videos: VideoTable, column: TextColumn) -> Tensor:
    hashes = array("q")
    for texts in videos.texts(column):
        hashes.extend(map(hash, texts))
    return _tensor(hashes)


def _distinct(numbers: Tensor) -> Tensor:
    """Return each number once, sorted."""
    ordered = numbers.sort().values
    is_new = torch.cat([torch.ones(1, dtype=torch.bool), ordered.diff() != 0])
    return ordered[is_new[: len(ordered)]]


def _tensor(numbers: Iterable[int]) -> Tensor:
    return torch.tensor(array("q", numbers), dtype=torch.int64)
