"""Files of feature maps: any change is noticed, and a full disk is an error, not a crash."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from stn_action.data.view_arrays import ViewArrays, ViewWriter
from stn_action.errors import InputError

MAP_SHAPE = (2, 1, 3, 3)
FRAMES = 4


def views(seed: int, number: int = 2) -> tuple[torch.Tensor, ...]:
    """Return maps, frame numbers, boxes and extents of the views of a video."""
    torch.manual_seed(seed)
    frames = torch.arange(number * FRAMES).reshape(number, FRAMES)
    maps, boxes = torch.randn(number, *MAP_SHAPE).half(), torch.rand(number, FRAMES, 4)
    return maps, frames, boxes, torch.randn(number, FRAMES, 2, 4)


def write(folder: Path, videos: int = 3) -> None:
    with ViewWriter(folder, "test", (videos, 2), MAP_SHAPE, FRAMES) as writer:
        for row in range(videos):
            writer.write(row, *views(row))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    write(folder)
    return folder


def test_each_view_comes_back(written):
    arrays = ViewArrays.open(written, "test")
    for row in range(3):
        maps, *others = views(row)
        for view in range(2):
            found = arrays.view(row, view)
            assert torch.equal(found[0], maps[view].float())
            assert all(map(torch.equal, found[1:], [other[view] for other in others]))


def test_pixels_are_stored_beside_the_maps_and_noticed_if_they_change(tmp_path):
    clips = torch.randint(256, (2, 3, FRAMES, 5, 6), dtype=torch.uint8)
    with ViewWriter(tmp_path, "test", (1, 2), MAP_SHAPE, FRAMES, "a", (5, 6)) as writer:
        writer.write(0, *views(0), clips)
        assert writer.holds(0)
    arrays = ViewArrays.open(tmp_path, "test", "a", with_clips=True)
    assert torch.equal(arrays.view(0, 1).clip, clips[1])
    assert torch.equal(arrays.clip(0, 1), clips[1])
    path = tmp_path / "test_clips.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="is not what was written"):
        ViewArrays.open(tmp_path, "test", "a", with_clips=True).view(0, 1)
    path.unlink()
    with pytest.raises(InputError, match=r"test_clips\.npy: damaged"):
        ViewArrays.open(tmp_path, "test", "a", with_clips=True)


def test_any_flipped_bit_is_noticed_or_changes_nothing(written, tmp_path):
    draw = random.Random(0)
    noticed = 0
    folder = Path(shutil.copytree(written, tmp_path / "copy"))
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        header = int.from_bytes(data[8:10], "little") + 10
        places = [*range(header), *draw.sample(range(header, len(data)), 8)]
        for place in places:
            changed = bytearray(data)
            changed[place] ^= 1 << draw.randrange(8)
            path.write_bytes(changed)
            noticed += is_noticed(folder)
        path.write_bytes(data)
    assert noticed > 400


def is_noticed(folder: Path) -> bool:
    """Return whether reading all views is refused; if not, they must be those that were written."""
    try:
        arrays = ViewArrays.open(folder, "test")
        found = [arrays.view(row, view) for row in range(3) for view in range(2)]
    except InputError:
        return True
    expected = [part for row in range(3) for part in zip(*views(row), strict=True)]
    for (maps, *others), (known_maps, *known) in zip(found, expected, strict=True):
        assert torch.equal(maps, known_maps.float())
        assert all(map(torch.equal, others, known))
    return False


@pytest.mark.parametrize("size", [0, 5, 100, 150])
def test_a_file_that_is_cut_off_is_noticed(written, tmp_path, size):
    folder = Path(shutil.copytree(written, tmp_path / "copy"))
    path = folder / "test_features.npy"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"test_features\.npy: damaged \(.*delete the folder"):
        ViewArrays.open(folder, "test")


def test_a_file_that_is_missing_is_named(written, tmp_path):
    folder = Path(shutil.copytree(written, tmp_path / "copy"))
    (folder / "test_boxes.npy").unlink()
    with pytest.raises(InputError, match=r"test_boxes\.npy: damaged \(.*No such file"):
        ViewArrays.open(folder, "test")


def test_what_is_mapped_stays_while_it_is_written_again(tmp_path):
    write(tmp_path)
    before = ViewArrays.open(tmp_path, "test")
    write(tmp_path, videos=1)
    assert torch.equal(before.view(2, 1)[0], views(2)[0][1].float())
    assert len(ViewArrays.open(tmp_path, "test").features) == 1


def test_an_error_leaves_what_was_there(tmp_path):
    write(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyError, match="an error"):
        write_and_fail(tmp_path, 0)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(KeyError, match="an error"):
        write_and_fail(tmp_path, 1)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def write_and_fail(folder: Path, rows: int, label: str = "") -> None:
    with ViewWriter(folder, "test", (3, 2), MAP_SHAPE, FRAMES, label) as writer:
        for row in range(rows):
            writer.write(row, *views(row))
        raise KeyError("an error")


def test_an_interrupted_writer_is_continued(tmp_path):
    with pytest.raises(KeyError, match="an error"):
        write_and_fail(tmp_path, 2, "label")
    with ViewWriter(tmp_path, "test", (3, 2), MAP_SHAPE, FRAMES, "label") as writer:
        assert [writer.holds(row) for row in range(3)] == [True, True, False]
        writer.write(2, *views(2))
        assert writer.holds(2)
    arrays = ViewArrays.open(tmp_path, "test", "label")
    for row in range(3):
        assert torch.equal(arrays.view(row, 1)[3], views(row)[3][1])
    assert len(list(tmp_path.iterdir())) == 5
    with pytest.raises(InputError, match=r"test_features\.npy: damaged \(view 0 of video 1 is not"):
        ViewArrays.open(tmp_path, "test", "another label").view(1, 0)


@pytest.mark.parametrize("change", ["label", "videos", "byte", "cut off", "lost"])
def test_nothing_else_is_continued(tmp_path, change):
    with pytest.raises(KeyError, match="an error"):
        write_and_fail(tmp_path, 2, "label")
    file = tmp_path / ".test_boxes.npy.tmp"
    data = file.read_bytes()
    if change == "lost":
        file.unlink()
    elif change == "cut off":
        file.write_bytes(data[:-1])
    elif change == "byte":
        of_a_video = 2 * FRAMES * 4 * 4
        file.write_bytes(flipped(data, len(data) - of_a_video - 1))  # the last one of video 1
    held = [0] if change == "byte" else []
    label = "other" if change == "label" else "label"
    with ViewWriter(
        tmp_path, "test", (4 if change == "videos" else 3, 2), MAP_SHAPE, FRAMES, label
    ) as writer:
        assert [row for row in range(3) if writer.holds(row)] == held


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_files_that_may_not_grow_are_refused_before_anything_is_computed(tmp_path, file_size_limit):
    file_size_limit(1 << 16)
    message = r"test_features\.npy: cannot be written \(File too large\); it takes 72,000 bytes: "
    with pytest.raises(InputError, match=message):
        ViewWriter(tmp_path, "test", (1000, 2), MAP_SHAPE, FRAMES)
    assert not any(tmp_path.iterdir())


def test_a_full_disk_is_refused_before_anything_is_computed_and_kills_nothing(on_small_disk):
    on_small_disk(fill_disk, 1 << 20)


def fill_disk(disk: Path) -> None:
    (disk / "other").write_bytes(bytes(900_000))
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        ViewWriter(disk, "test", (20_000, 2), MAP_SHAPE, FRAMES)
    assert [path.name for path in disk.iterdir()] == ["other"]
    write(disk)  # what is small enough has its space
    assert len(list(disk.iterdir())) == 6
