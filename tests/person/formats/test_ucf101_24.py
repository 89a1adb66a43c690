import pickle

import numpy as np
import pytest

from stn_action.errors import InputError
from stn_action.person.formats.ucf101_24 import CLASSES, SIZE_HW, read_ucf101_24

NAME = "Fencing/v_Fencing_g01_c01"


def annotation(**changes):
    boxes = np.array([[1, 1, 255, 239], [200, 21, 120, 9]], np.uint8)
    return {"label": 6, "sf": 3, "ef": 5, "boxes": boxes} | changes


def stored(tmp_path, content):
    path = tmp_path / "pyannot.pkl"
    path.write_bytes(pickle.dumps(content, 2))
    return path


def video(**changes):
    return {"annotations": [annotation(**changes)], "numf": np.uint8(5), "label": 6}


def test_boxes_count_from_one_and_do_not_overflow(tmp_path):
    content = {np.str_(NAME): video()}
    named = {"db": content, "classes": list(CLASSES), "trainvideos": []}
    for stored_content in (content, named):
        (found,) = read_ucf101_24(stored(tmp_path, stored_content))
        assert (found.name, found.size_hw, found.num_frames) == (NAME, (240, 320), 5)
        assert found.labels == ("Fencing",)
        assert found.tubes[0].frame_indices.tolist() == [3, 4]
        assert found.tubes[0].boxes.tolist() == [[0, 0, 256, 240], [199, 20, 320, 30]]


@pytest.mark.parametrize("name", ["pyannot.pkl", "pyannot_with_class_names.pkl"])
def test_the_official_files_are_read_whole(shared, name):
    people = read_ucf101_24(shared / "data/annotations/ucf101_24" / name)
    assert len(people) == 3194
    assert sum(len(video.tubes) for video in people) == 4458
    assert sum(len(tube) for video in people for tube in video.tubes) == 573862
    assert all(video.labels and video.size_hw == SIZE_HW for video in people)
    assert all({video.name.split("/")[0]} == set(video.labels) for video in people)
    classes = {str(video.labels[0]) for video in people}
    assert classes == set(CLASSES)
    by_name = {video.name: video for video in people}
    tube = by_name["Basketball/v_Basketball_g01_c01"].tubes[0]
    assert tube.frame_indices[[0, -1]].tolist() == [8, 51]
    assert tube.boxes[0].tolist() == [188, 101, 236, 180]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 24}, r"annotations\[0\], 'label': expected an integer from 0 to 23, got 24"),
        ({"label": "x"}, r"'label': expected an integer from 0 to 23, got str"),
        ({"sf": -1}, r"'sf': expected an integer from 0 to 4, got -1"),
        ({"ef": 3}, r"'ef': expected an integer from 4 to 5, got 3"),
        ({"ef": 6}, r"'ef': expected an integer from 4 to 5, got 6"),
        ({"ef": 4}, r"'boxes': numbers \(1, 4\) expected, got uint8 \(2, 4\)"),
        ({"boxes": [[1, 2, 3, 4]]}, r"'boxes': numbers \(2, 4\) expected, got none"),
        ({"boxes": np.array(["a", "b"])}, r"'boxes': numbers \(2, 4\) expected, got <U1"),
        ({"boxes": np.full((2, 4), np.nan)}, r"the box of frame 3, \(nan, .* no positive size"),
        ({"boxes": np.full((2, 4), 0)}, r"the box of frame 3, \(-1, -1, 0, 0\), has no positive"),
        ({"boxes": np.full((2, 4), 200)}, r"is not inside the image of 320 x 240"),
        ({"boxes": np.array([[5, 5, 9, 9], [9, 9, -4, 5]])}, r"the box of frame 4, \(8, 8, 5, 14"),
    ],
)
def test_a_broken_annotation_is_refused_with_its_key(tmp_path, changes, message):
    path = stored(tmp_path, {NAME: video(**changes)})
    with pytest.raises(InputError, match=rf"pyannot\.pkl, key '{NAME}'.*{message}"):
        read_ucf101_24(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"expected a dictionary from video names"),
        ({}, r"expected a dictionary from video names"),
        ({3: {}}, r"key 3: expected the name of a video and a dictionary"),
        ({NAME: []}, r"expected the name of a video and a dictionary"),
        ({NAME: {"annotations": []}}, r"'numf': expected an integer .*, got NoneType"),
        ({NAME: {"numf": 4}}, r"there must be a list 'annotations'"),
        ({NAME: {"numf": 4, "annotations": [3]}}, r"annotations\[0\]: expected a dictionary"),
        ({"db": {}, "classes": ["a"]}, r"key 'classes': these are not the 24 classes"),
    ],
)
def test_another_structure_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"pyannot\.pkl.*{message}"):
        read_ucf101_24(stored(tmp_path, content))


def test_a_truncated_official_file_a_folder_and_a_large_file_are_refused(shared, tmp_path):
    data = (shared / "data/annotations/ucf101_24/pyannot.pkl").read_bytes()
    path = tmp_path / "pyannot.pkl"
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(InputError, match=r"pyannot\.pkl: this is no pickle of boxes, or a damaged"):
        read_ucf101_24(path)
    with pytest.raises(InputError, match=r"cannot be read: it is a folder, expected a reg"):
        read_ucf101_24(tmp_path)
    with path.open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(InputError, match=r"268435457 bytes or more, a file of boxes has at m"):
        read_ucf101_24(path)
