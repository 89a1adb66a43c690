import sys

import numpy as np
import pytest

from stn_action.errors import InputError
from stn_action.person.formats.jhmdb_masks import read_jhmdb_masks

scipy_io = pytest.importorskip("scipy.io")


def masks():
    """Four frames of 6 x 8, the second without a person."""
    part_mask = np.zeros((6, 8, 4), np.uint8)
    part_mask[1:5, 2:4, 0] = 3
    part_mask[0, 0, 2] = part_mask[5, 7, 2] = 1
    part_mask[3, 6, 3] = 9
    return part_mask


def stored(tmp_path, label="golf", **variables):
    path = tmp_path / "puppet_mask" / label / "swing_1" / "puppet_mask.mat"
    path.parent.mkdir(parents=True)
    scipy_io.savemat(path, variables, do_compression=True)
    return path


def test_boxes_are_the_edges_of_masks(tmp_path):
    stored(tmp_path, part_mask=masks())
    (video,) = read_jhmdb_masks(tmp_path)
    assert (video.name, video.labels, video.size_hw) == ("golf/swing_1", ("golf",), (6, 8))
    assert video.tubes[0].frame_indices.tolist() == [0, 2, 3]
    assert video.tubes[0].boxes.tolist() == [[2, 1, 4, 5], [0, 0, 8, 6], [6, 3, 7, 4]]


def test_a_video_of_one_frame_loses_its_last_dimension(tmp_path):
    stored(tmp_path, part_mask=masks()[..., 0])
    (video,) = read_jhmdb_masks(tmp_path)
    assert video.tubes[0].boxes.tolist() == [[2, 1, 4, 5]]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"other": np.ones(3)}, r"it contains \['other'\], not part_mask"),
        ({"part_mask": np.zeros((2, 3, 4))}, r"part_mask: there is no person in it"),
        ({"part_mask": np.zeros((2, 3, 4, 5))}, r"\(height, width, frames\) expected, got \(2, 3"),
        ({"part_mask": np.zeros((0, 3, 4))}, r"\(height, width, frames\) expected, got \(0, 3"),
        ({"part_mask": np.array([["a"]], dtype=object)}, r"part_mask: numbers expected"),
        ({"part_mask": {"a": 1}}, r"part_mask: numbers expected"),
    ],
)
def test_other_contents_are_refused(tmp_path, variables, message):
    stored(tmp_path, **variables)
    with pytest.raises(InputError, match=rf"puppet_mask\.mat.*{message}"):
        list(read_jhmdb_masks(tmp_path))


def test_damaged_files_are_refused(tmp_path):
    path = stored(tmp_path, part_mask=masks())
    whole = path.read_bytes()
    for cut in range(0, len(whole), 9):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"puppet_mask\.mat"):
            list(read_jhmdb_masks(tmp_path))
    for place in range(0, len(whole), 2):
        path.write_bytes(whole[:place] + b"\x99" + whole[place + 1 :])
        try:
            list(read_jhmdb_masks(tmp_path))
        except InputError as error:
            assert "puppet_mask.mat" in str(error)  # noqa: PT017


def test_an_unknown_class_a_missing_file_and_a_missing_scipy_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"there is no <class>/<video>/puppet_mask.mat below it"):
        list(read_jhmdb_masks(tmp_path))
    stored(tmp_path / "a", label="dance", part_mask=masks())
    with pytest.raises(InputError, match=r"its folder 'dance' is not one of"):
        list(read_jhmdb_masks(tmp_path / "a"))
    stored(tmp_path / "b", part_mask=masks())
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(InputError, match=r"not installed: pip install 'stn_action\[people\]'"):
        list(read_jhmdb_masks(tmp_path / "b"))
