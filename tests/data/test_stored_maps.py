"""Stored maps by number, in memory or on the disk, are what was written."""

from pathlib import Path

import pytest
import torch

from stn_action.data.stored_maps import StoredMaps
from stn_action.data.view_arrays import ViewArrays, ViewWriter
from stn_action.errors import InputError

MAP_SHAPE, FRAMES, VIDEOS = (2, 3, 4, 5), 6, 3
NUM_VIEWS = {"train": 2, "test": 1}
MAP_BYTES = 4 * 2 * 3 * 4 * 5


def content(part: str, row: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(len(part) * 10 + row)
    number = NUM_VIEWS[part]
    maps = torch.randn(number, *MAP_SHAPE).half()
    boxes = torch.rand(number, FRAMES, 4)
    return maps, torch.zeros(number, FRAMES).long(), boxes, torch.randn(number, FRAMES, 2, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    for part, number in NUM_VIEWS.items():
        with ViewWriter(folder, part, (VIDEOS, number), MAP_SHAPE, FRAMES) as writer:
            for row in range(VIDEOS):
                writer.write(row, *content(part, row))
    return folder


def stored(folder: Path, max_bytes: int) -> StoredMaps:
    """Views of two training videos, in another order, and of two test videos."""
    train, test = (ViewArrays.open(folder, part) for part in NUM_VIEWS)
    return StoredMaps({"train": (train, [2, 0]), "test": (test, [1, 2])}, max_bytes)


@pytest.mark.parametrize(
    ("max_bytes", "dtype", "in_memory"),
    [(6 * MAP_BYTES, 4, True), (6 * MAP_BYTES - 1, 2, True), (6 * MAP_BYTES // 2 - 1, 2, False)],
)
def test_maps_are_kept_as_exactly_as_they_fit(folder, max_bytes, dtype, in_memory):
    maps = stored(folder, max_bytes)
    assert (len(maps), maps.map_shape) == (6, MAP_SHAPE)
    assert maps.in_memory == in_memory
    assert not in_memory or maps._maps.element_size() == dtype
    wanted = [("test", 2, 0), ("train", 0, 1), ("train", 2, 1), ("train", 0, 1)]
    numbers = torch.tensor([maps.number(*place) for place in wanted])
    assert numbers.tolist() == [5, 3, 1, 3]
    found = maps.maps(numbers)
    assert found.dtype == torch.float32
    for place, (part, row, view) in enumerate(wanted):
        written, _, _, extents = content(part, row)
        assert torch.equal(found[place], written[view].float())
        assert torch.equal(maps.extents[numbers[place]], extents[view])


@pytest.mark.parametrize("max_bytes", [10**9, 0])
def test_a_map_that_has_changed_is_refused(folder, tmp_path, max_bytes):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "train_features.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # of the last view of video 2
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"train_features\.npy: damaged \(view 1 of video 2 is"):
        stored(tmp_path, max_bytes).maps(torch.tensor([1]))
