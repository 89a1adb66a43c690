import pytest

from stn_action.errors import InputError
from stn_action.person.formats.cub import read_cub
from tests.cub_tree import CLASSES, edit_list, write_cub


@pytest.fixture
def folder(tmp_path):
    return write_cub(tmp_path)


def test_each_image_has_one_box_in_its_only_frame(folder):
    people = read_cub(folder / "bounding_boxes.txt")
    assert len(people) == 9
    assert people[3].name == "002.Laysan_Albatross/Laysan_Albatross_0004_28"
    assert (people[3].num_frames, people[3].size_hw, people[3].labels) == (1, None, ())
    (tube,) = people[3].tubes
    assert tube.frame_indices.tolist() == [0]
    assert tube.boxes.tolist() == [[9, 7, 39, 37]]  # x 9, y 7, 30 x 30
    assert [one.name for one in read_cub(folder)] == [one.name for one in people]
    assert {one.name.split("/")[0] for one in people} == set(CLASSES)


def test_fractions_are_kept(folder):
    edit_list(folder, "bounding_boxes.txt", "1 6.0 4.0 30.0 30.0", "1 6.5 4 30.25 30.0")
    assert read_cub(folder)[0].tubes[0].boxes.tolist() == [[6.5, 4, 36.75, 34]]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("2 7.0 5.0 30.0 30.0", "2 7.0 5.0 30.0", r"line 2: expected '<id> <x> .*got 4 cells"),
        ("2 7.0", "x 7.0", r"line 2: expected '<id> <x> <y> <width> <height>', got 'x 7.0"),
        ("2 7.0 5.0", "2 7.0 nan", r"line 2: every cell must be finite, got 'nan'"),
        ("2 7.0 5.0 30.0", "2 7.0 5.0 0.0", r"line 2: width and height must be above 0, got 0"),
        ("2 7.0", "1 7.0", r"line 2: 1 is the number of line 1 already"),
        ("9 14.0", "10 14.0", r"images.txt, line 9: bounding_boxes.txt has no line of 9 \(1 of 9"),
        ("30.0\n9", "30.0\n\n\n12 1 1 2 2\n9", r"line 11: images.txt has no line of 12"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(folder, before, after, message):
    edit_list(folder, "bounding_boxes.txt", before, after)
    with pytest.raises(InputError, match=message):
        read_cub(folder)


def test_without_the_names_of_the_images_there_are_no_boxes(folder):
    (folder / "images.txt").unlink()
    with pytest.raises(InputError, match=r"images.txt: no such list of images"):
        read_cub(folder)
