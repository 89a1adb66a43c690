import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.errors import InputError
from stn_action.person.formats.plain_csv import (
    read_long_csv,
    read_tube_folder,
    write_long_csv,
    write_tube_folder,
)
from stn_action.person.video_people import VideoPeople
from tests.person.formats.made_people import assert_same, tube, videos

HEADER = "video,person,frame,x0,y0,x1,y1,score"
LINE = f"{HEADER}\na,1,0,1,2,3,4,0.5\n"
LABELS = st.one_of(st.none(), st.sampled_from(["wave", 'say "hi", then go']))


@given(made=videos(labels=LABELS))
@settings(max_examples=30, deadline=None)
def test_written_people_read_back(made):
    with tempfile.TemporaryDirectory() as folder:
        write_long_csv(Path(folder) / "people.csv", made)
        back = read_long_csv(Path(folder) / "people.csv")
    assert_same(back, made, told=False)
    for one, two in zip(back, made, strict=True):
        assert (one.labels or (None,) * len(one.tubes)) == two.labels


@given(made=videos(min_persons=1, max_persons=1))
@settings(max_examples=20, deadline=None)
def test_a_written_folder_reads_back(made):
    with tempfile.TemporaryDirectory() as folder:
        write_tube_folder(folder, made)
        assert_same(read_tube_folder(folder), made, told=False)


def test_lines_may_come_in_any_order_and_columns_too(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(
        "\ufefffps, Video, x0,y0,x1,y1, person, frame\r\n9,b,1,2,3,4,p,7\r\n9,a,1,2,3,4,p,1\r\n"
        "9,b,1,2,3,5,q,7\r\n9,b,1,2,3,6,p,3\r\n\r\n9,c,,,,,,\r\n"
    )
    first, second, third = read_long_csv(path)
    assert (first.name, second.name, third.name) == ("b", "a", "c")
    assert [one.frame_indices.tolist() for one in first.tubes] == [[3, 7], [7]]
    assert first.tubes[0].boxes.tolist() == [[1, 2, 3, 6], [1, 2, 3, 4]]
    assert first.tubes[0].scores.tolist() == [1, 1]
    assert (first.labels, third.tubes) == ((), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the column video, person, frame, x0, y0, x1, y1 is missing"),
        ("video,frame,x0,y0,x1,y1\n", r"line 1: the column person is missing"),
        (f"{HEADER}\n", r"the file has no boxes; was it truncated"),
        (f"{LINE}a,1,1,1,2", r"line 3: 8 cells expected, got 5"),
        (f"{LINE}a,1,1,1,2,3,4,5,6\n", r"line 3: 8 cells expected, got 9"),
        (f"{LINE},1,1,1,2,3,4,5\n", r"line 3: the name of the video is missing"),
        (f"{LINE}a,,1,1,2,3,4,5\n", r"line 3: the person is missing"),
        (f"{LINE}a,1,,1,2,3,4,5\n", r"line 3: frame must be a number, got ''"),
        (f"{LINE}a,1,-1,1,2,3,4,5\n", r"line 3: frame must be an integer from 0, got '-1'"),
        (f"{LINE}a,1,99999999,1,2,3,4,5\n", r"line 3: frame 99999999 is beyond all videos"),
        (f"{LINE}a,1,1e400,1,2,3,4,5\n", r"line 3: frame must be finite, got '1e400'"),
        (f"{LINE}a,1,1,1,nan,3,4,5\n", r"line 3: y0 must be finite, got 'nan'"),
        (f"{LINE}a,1,1,x,2,3,4,5\n", r"line 3: x0 must be a number, got 'x'"),
        (f"{LINE}a,1,1,3,2,1,4,5\n", r"line 3: x0 < x1 and y0 < y1 must hold, got \(3, 2, 1, 4\)"),
        (f"{LINE}a,1,1,1,2,3,4,inf\n", r"line 3: score must be finite, got 'inf'"),
        (f"{LINE}a,1,0,1,2,3,4,5\n", r"line 3: person 1 has a second box in frame 0"),
        (f"{HEADER},label\na,1,0,1,2,3,4,1,x\na,1,1,1,2,3,4,1,y\n", r"labeled 'y' here and 'x'"),
        (f"{LINE}a,1,1,{'9' * 140000},2,3,4,5\n", r"line 3: this is not CSV: field larger"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"people\.csv.*{message}"):
        read_long_csv(path)


def test_a_folder_and_another_encoding_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read: it is a folder, expected a reg"):
        read_long_csv(tmp_path)
    path = tmp_path / "people.csv"
    path.write_bytes(LINE.encode("utf-16"))
    with pytest.raises(InputError, match=r"people\.csv: cannot be read: it is in UTF-16; save it"):
        read_long_csv(path)
    with pytest.raises(InputError, match=r"people\.csv: this folder of person boxes does not exi"):
        read_tube_folder(path)


def test_what_would_not_read_back_is_not_written(tmp_path):
    one = tube([0], [[0, 0, 1, 1]])
    with pytest.raises(InputError, match=r"two has 2 persons, this format one per video"):
        write_tube_folder(tmp_path, [VideoPeople("two", (one, one))])
    with pytest.raises(InputError, match=r"'a\\nb' cannot be a cell"):
        write_long_csv(tmp_path / "people.csv", [VideoPeople("a\nb", (one,))])
    with pytest.raises(InputError, match=r"cannot be a path below this folder"):
        write_tube_folder(tmp_path, [VideoPeople("/etc/x", (one,))])
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_dot_keeps_it(tmp_path):
    write_tube_folder(tmp_path, [VideoPeople("clip.v1", (tube([0], [[0, 0, 1, 1]]),))])
    assert [video.name for video in read_tube_folder(tmp_path)] == ["clip.v1"]
