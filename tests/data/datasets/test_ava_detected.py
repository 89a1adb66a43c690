"""AVA on detected boxes: which of them are samples, which labels these get, what is to be found."""

import pytest

from stn_action.data.datasets.ava_detected import list_ava_detected, read_detected_frames
from stn_action.data.datasets.ava_v2 import list_ava, read_key_frames
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.errors import InputError
from tests.ava_tree import DETECTED, write_ava, write_detections


@pytest.fixture
def root(tmp_path):
    root = write_ava(tmp_path / "ava", films=())
    write_detections(root)
    return root


def test_a_sample_of_the_test_is_a_detected_box_with_the_labels_of_the_person_in_it(root):
    listing = list_ava_detected(root, min_score=0.8)
    assert [(video.name, video.target) for video in listing.test] == [
        ("1j20qq1JyX4/0902/d0", (1, 2)),
        ("1j20qq1JyX4/0902/d2", ()),  # overlaps the person 0 by less than half
        ("1j20qq1JyX4/0903/d0", (0,)),
        ("2qQs3Y9OJX0/0902/d0", (1,)),
    ]
    slices = [(video.start_seconds, video.end_seconds) for video in listing.test]
    assert slices[0] == (900.5, 903.5)
    assert listing.train.names() == list_ava(root).train.names()


def test_the_score_decides_and_the_names_stay(root):
    names = [list_ava_detected(root, min_score=score).test.names() for score in (0.4, 0.9)]
    assert [name[12:] for name in names[0][:4]] == ["0902/d0", "0902/d1", "0902/d2", "0903/d0"]
    assert [name[12:] for name in names[1]] == ["0902/d0", "0903/d0", "0902/d0"]


def test_the_two_thresholds_are_data_sets(root):
    numbers = {80: 4, 90: 3}
    for percent, number in numbers.items():
        listing = DATASETS[f"ava_detected{percent}"].read(root, 1, require_official=False)
        assert listing.name == (
            f"ava v2.2 val, detected boxes (score 0.{percent // 10}) (subset: 4 train, {number} "
            "test boxes)"
        )
    with pytest.raises(InputError, match=r"3 classes, 2 training and 2 test films, expected 60 cl"):
        DATASETS["ava_detected80"].read(root, 1)


def test_annotated_persons_are_found_by_boxes_at_the_same_key_frames(root):
    found, annotated = read_detected_frames(root, min_score=0.8), read_key_frames(root)
    assert found.names == annotated.names
    assert found.detected is not None
    assert found.detected.names == list_ava_detected(root, min_score=0.8).test.names()
    assert found.detected.frame.tolist() == [annotated.frame[row] for row in (0, 0, 2, 3)]
    assert found.detected.boxes[0].tolist() == [0.0, 0.1, 0.7, 0.95]


def test_boxes_at_excluded_timestamps_are_left_out_and_counted(root):
    (root / "annotations/ava_val_excluded_timestamps_v2.2.csv").write_text("1j20qq1JyX4,0902\n")
    listing = list_ava_detected(root, min_score=0.8)
    assert [name[12:] for name in listing.test.names()] == ["0903/d0", "0902/d0"]
    assert listing.left_out == {"train": 1, "test": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1j20qq1JyX4,0902,0,0,1,1,12,3", r"line 7: the score must be from 0 to 1, got 3; is this"),
        ("1j20qq1JyX4,0902,0,0,64,48,,0.9", r"line 7: corners must be shares of the image"),
        ("1j20qq1JyX4,0902,0,0,1,1,0.9", r"line 7: eight cells .*action_id,score expected, got 7"),
        ("1j20qq1JyX4,0901,0,0,1,1,,0.9", r"the timestamp 901 of 1j20qq1JyX4 is outside of the f"),
        ("-5KQ66BBWC4,0902,0,0,1,1,,0.9", r"in the 2 films to validate on, got '-5KQ66BBWC4'"),
    ],
)
def test_a_line_that_is_no_detection_is_refused(root, line, message):
    write_detections(root, f"{DETECTED}{line}\n")
    with pytest.raises(InputError, match=rf"ava_detection_val_boxes_and_labels.csv.*{message}"):
        list_ava_detected(root, min_score=0.8)


def test_lists_without_a_sure_box_or_of_another_place_are_named(root):
    with pytest.raises(InputError, match=r"none of its 5 boxes has a score of 0.999"):
        list_ava_detected(root, min_score=0.999)
    path = write_detections(root)
    path.rename(path.parents[1] / "ava_val_predicted_boxes.csv")
    assert len(list_ava_detected(root, min_score=0.8).test) == 4
    (path.parents[1] / "ava_val_predicted_boxes.csv").unlink()
    with pytest.raises(
        InputError, match=r"there is no person_box_67091280_iou90/ava_detection_val"
    ):
        list_ava_detected(root, min_score=0.8)
