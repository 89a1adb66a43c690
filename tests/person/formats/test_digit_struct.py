"""digitStruct.mat of SVHN: digits, boxes, and what is wrong with a file."""

import sys

import numpy as np
import pytest

from stn_action.errors import InputError
from stn_action.person.formats.digit_struct import read_digit_struct, read_svhn
from tests.svhn_tree import edit_struct, write_field, write_part, write_svhn

NUMBERS = ("207", "1", "1234567", "00")


@pytest.fixture
def folder(tmp_path):
    return write_part(tmp_path / "train", NUMBERS, np.random.default_rng(0))


def test_digits_are_read_with_a_box_each(folder):
    found = list(read_digit_struct(folder / "digitStruct.mat"))
    assert ["".join(map(str, number.digits)) for number in found] == list(NUMBERS)
    assert [number.file for number in found] == ["1.png", "2.png", "3.png", "4.png"]
    assert found[1].name == "train/2"
    assert found[1].where == f"{folder / 'digitStruct.mat'}, image 2"
    (x0, y0, x1, y1), second, _ = found[0].boxes
    assert (x1 - x0, y1 - y0) == (14, 22)
    assert second == (x1, y0, x1 + 14, y1)
    assert len(found[1].boxes) == 1
    labels = [number.digits for number in read_digit_struct(folder / "digitStruct.mat")]
    alone = list(read_digit_struct(folder / "digitStruct.mat", with_boxes=False))
    assert [number.digits for number in alone] == labels
    assert {number.boxes for number in alone} == {()}


def test_the_box_of_an_image_is_the_smallest_around_its_digits(folder):
    def edit(file):
        write_field(file, 0, "left", [20.5, 4.0, 40.0])
        write_field(file, 0, "top", [-1.0, 3.0, 2.0])
        write_field(file, 0, "width", [9.0, 10.0, 5.0])
        write_field(file, 0, "height", [10.0, 30.0, 10.0])

    edit_struct(folder, edit)
    people = list(read_svhn(folder))
    assert (people[0].name, people[0].num_frames) == ("train/1", 1)
    (tube,) = people[0].tubes
    assert tube.boxes.tolist() == [[4.0, -1.0, 45.0, 33.0]]
    assert tube.frame_indices.tolist() == [0]
    assert len(people) == len(NUMBERS)  # those of more than five digits have a box too


def test_all_parts_of_a_folder_are_read(tmp_path):
    write_svhn(tmp_path, train=3, test=2, extra=1)
    names = [one.name for one in read_svhn(tmp_path)]
    assert names == ["train/1", "train/2", "train/3", "extra/1", "test/1", "test/2"]
    alone = [one.name for one in read_svhn(tmp_path / "test/digitStruct.mat")]
    assert alone == names[-2:]


def delete(name):
    def edit(file):
        del file[name]

    return edit


def replace(name, data):
    def edit(file):
        del file[name]
        file.create_dataset(name, data=data)

    return edit


def values(row, field, *numbers):
    return lambda file: write_field(file, row, field, numbers)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (delete("digitStruct"), r"mat: expected the group digitStruct .* no digitStruct/name"),
        (delete("digitStruct/bbox"), r"there is no digitStruct/bbox; is it digitStruct.mat of"),
        (replace("digitStruct", [1]), r"there is no digitStruct/name"),
        (replace("digitStruct/name", [1.0, 2]), r"Struct/name must be \(N, 1\) references"),
        (replace("digitStruct/name", [[1.0]]), r"has 1 names and 4 groups of boxes"),
        (replace("digitStruct/bbox", np.ones((4, 1))), r"mat, image 1: it cannot be read: "),
        (delete("#refs#/bbox1/label"), r"image 2 \(2.png\): bbox has no field label, expect"),
        (delete("#refs#/bbox2/top"), r"image 3 \(3.png\): bbox has no field top"),
        (values(0, "label", 2, 11, 7), r"\(1.png\): the label of digit 2 must be 1 to 10 .*11"),
        (values(1, "label", 0), r"\(2.png\): the label of digit 1 must be 1 to 10 .* got 0"),
        (values(1, "label", 1.5), r"the label of digit 1 must be 1 to 10 .* got 1.5"),
        (values(1, "label", np.nan), r"the label of digit 1 must be 1 to 10 .* got nan"),
        (values(0, "label", *[1.0] * 101), r"image 1 \(1.png\): label must have 1 to 100 numbers"),
        (values(3, "width", 5, 0), r"image 4 \(4.png\), digit 2: width and height must be a"),
        (values(3, "left", 5), r"image 4 \(4.png\): expected as many boxes as labels, 2"),
        (replace("#refs#/name0", [[46], [46], [47]]), r"image 1: it cannot be read|like 1.png"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_image(folder, edit, message):
    path = edit_struct(folder, edit)
    with pytest.raises(InputError, match=message):
        list(read_digit_struct(path))


def test_a_file_name_is_that_of_an_image_in_the_folder(folder):
    def rename(text):
        def edit(file):
            codes = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
            struct = file["digitStruct/name"]
            struct[2, 0] = file["#refs#"].create_dataset(f"other{text[-5]}", data=codes).ref

        return edit

    with pytest.raises(InputError, match=r"image 3: expected the name of an image like 1.png"):
        list(read_digit_struct(edit_struct(folder, rename("../a.png"))))
    with pytest.raises(InputError, match=r"image 3: 2.png is the file of image 2 already"):
        list(read_digit_struct(edit_struct(folder, rename("2.png"))))


def test_a_file_that_is_not_hdf5_or_is_not_there_is_refused(folder):
    path = folder / "digitStruct.mat"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(InputError, match=r"digitStruct.mat: not a MATLAB file of version 7.3"):
        list(read_digit_struct(path))
    path.unlink()
    with pytest.raises(InputError, match=r"digitStruct.mat: no such"):
        list(read_digit_struct(path))


def test_without_h5py_the_remedy_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        InputError, match=r"h5py is not installed: pip install 'stn_action\[paper\]'"
    ):
        list(read_digit_struct(folder / "digitStruct.mat"))
