import zipfile

import pytest

from stn_action.errors import InputError
from stn_action.person.formats.jhmdb import CLASSES, read_jhmdb

GOOD = {
    "g/golf_A_golf_b_1_00001.txt": "5 1 1 320 240\n",
    "g/golf_A_golf_b_1_00003.txt": "5 3 4 5 6",
}


def zipped(tmp_path, members):
    path = tmp_path / "gt.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("g")
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_frames_are_gathered_by_video(tmp_path):
    members = GOOD | {"shoot_bow_x_00002.txt": "14 2 3 4 5.5\n"}
    golf, bow = read_jhmdb(zipped(tmp_path, members))
    assert (golf.name, golf.labels, golf.size_hw) == ("golf/A_golf_b_1", ("golf",), (240, 320))
    assert golf.tubes[0].frame_indices.tolist() == [0, 2]
    assert golf.tubes[0].boxes.tolist() == [[0, 0, 320, 240], [2, 3, 5, 6]]
    assert (bow.name, bow.tubes[0].boxes.tolist()) == ("shoot_bow/x", [[1, 2, 4, 5.5]])


def test_the_official_zip_is_read_whole(shared):
    people = read_jhmdb(shared / "data/annotations/jhmdb/groundtruths_jhmdb.zip")
    assert len(people) == 268
    assert sum(len(video.tubes[0]) for video in people) == 9126
    assert {video.labels[0] for video in people} == set(CLASSES)
    assert all(len(video.tubes) == 1 and len(video.tubes[0]) <= 40 for video in people)
    assert all(video.tubes[0].frame_indices[0] == 0 for video in people)
    first = people[0]
    assert first.name == "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0"
    assert first.tubes[0].boxes[0].tolist() == [71, 48, 248, 240]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, r"this zip has no boxes"),
        ({"readme.md": "x"}, r"member 'readme.md': names must be <class>_<video>_<frame"),
        ({"golf_a_00000.txt": "5 1 1 2 2"}, r"frame must be an integer from 1, got '00000'"),
        ({"golf_a_00001.txt": ""}, r"one line `class xmin ymin xmax ymax` expected, got ''"),
        ({"golf_a_00001.txt": "5 1 1 2"}, r"one line .* expected, got '5 1 1 2'"),
        ({"golf_a_00001.txt": "5 1 1 2 2\n5 1 1 3 3\n"}, r"one line .* expected"),
        ({"golf_a_00001.txt": "5 1 nan 2 2"}, r"every corner must be finite, got 'nan'"),
        ({"golf_a_00001.txt": "x 1 1 2 2"}, r"the class must be a number, got 'x'"),
        ({"golf_a_00001.txt": "22 1 1 2 2"}, r"the class must be 1 to 21, got 22"),
        (
            {"golf_a_00001.txt": "4 1 1 2 2"},
            r"its class is climb_stairs, but its name gives another",
        ),
        ({"golf_a_00001.txt": "5 9 1 2 2"}, r"x0 < x1 and y0 < y1 must hold, got \(8, 0, 2, 2\)"),
        ({"golf_a_00001.txt": "5 1 1 321 2"}, r"is not inside the image, 320 x 240"),
        ({"golf_a_00001.txt": b"\xff"}, r"this must be plain text"),
        ({"golf_a_00001.txt": "5" * 10**6}, r"more than 1024 bytes are no single box"),
        (GOOD | {"../golf_A_golf_b_1_00001.txt": "5 1 1 2 2"}, r"a second box in frame 0"),
    ],
)
def test_a_broken_zip_is_refused_with_its_member(tmp_path, members, message):
    with pytest.raises(InputError, match=rf"gt\.zip.*{message}"):
        read_jhmdb(zipped(tmp_path, members))


def test_nothing_is_unpacked(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (video,) = read_jhmdb(zipped(inner, {"../../golf_x_00001.txt": "5 1 1 2 2"}))
    assert video.name == "golf/x"
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "gt.zip"]


def test_damaged_bytes_are_refused(tmp_path):
    path = zipped(tmp_path, GOOD)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(InputError, match=r"gt\.zip"):
            read_jhmdb(path)
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + b"\x99" + whole[place + 1 :])
        try:
            read_jhmdb(path)
        except InputError as error:
            assert "gt.zip" in str(error)  # noqa: PT017
    with pytest.raises(InputError, match=r"cannot be read: it is a folder, expected a reg"):
        read_jhmdb(tmp_path)
