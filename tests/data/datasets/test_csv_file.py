"""Own videos listed by a CSV file: what a row can say, and the message for each mistake."""

from pathlib import Path

import pytest
import torch

from stn_action.data.datasets import csv_columns
from stn_action.data.datasets.csv_file import list_csv
from stn_action.data.datasets.dataset_table import DATASETS, load_dataset
from stn_action.errors import InputError


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "mine.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def rows(part) -> list[tuple]:
    return [(video.name, video.target, video.group) for video in part]


def error_of(folder: Path, text: str | bytes) -> str:
    with pytest.raises(InputError, match=r".") as caught:
        list_csv(write(folder, text))
    return str(caught.value)


def test_columns_come_in_any_order_and_splits_are_parts(tmp_path):
    file = write(
        tmp_path,
        "\ufeffsplit, group, label, path\r\n"
        'train,ann,wave,"走, 1/a b.mp4"\r\n'
        "\r\n"
        "test,bob,kick,/abs/c.AVI\r\n"
        'train,,"kick, high",x.unknown\r\n'
        "validation,eve,wave,../v.mkv\r\n"
        "train,ann,  kick ,b.mp4\r\n",
    )
    listing = list_csv(file)
    assert (listing.name, listing.classes) == ("csv", ("kick", "kick, high", "wave"))
    assert rows(listing.train) == [
        ("走, 1/a b", 2, "ann"),
        ("x.unknown", 1, "x.unknown"),
        ("b", 0, "ann"),
    ]
    assert rows(listing.val) == [("v", 2, "eve")]
    assert rows(listing.test) == [("abs/c", 0, "bob")]
    assert listing.train[0].path == tmp_path / "走, 1/a b.mp4"
    assert listing.val[0].path == tmp_path / "../v.mkv"
    assert listing.test[0].path == Path("/abs/c.AVI")
    assert not listing.multi_label


def test_slices_have_bounds_and_share_the_group_of_their_file(tmp_path):
    text = "path,label,start_seconds,end_seconds\na.mp4,x,,\na.mp4,y,1.5,3\na.mp4,y,0,1\na.mp4,x,4,"
    pool = list_csv(write(tmp_path, text)).train
    assert pool.names() == ["a", "a#t=1.5,3", "a#t=,1", "a#t=4"]
    bounds = [(video.start_seconds, video.end_seconds) for video in pool]
    assert bounds == [(None, None), (1.5, 3.0), (0.0, 1.0), (4.0, None)]
    assert set(pool.groups()) == {"a"}


def test_several_labels_make_the_set_one_of_several_labels(tmp_path):
    text = "path,label,split\na.mp4,run; wave,train\nb.mp4,r\\;b,train\nc.mp4,wave,test\n"
    listing = list_csv(write(tmp_path, text))
    assert listing.classes == ("r;b", "run", "wave")
    assert listing.multi_label
    assert DATASETS["csv"].read(tmp_path / "mine.csv", 1).multi_label
    assert listing.train.targets.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert listing.test.targets.dtype == torch.float32
    assert listing.all_videos.num_classes == 3


def test_files_that_differ_in_the_suffix_alone_keep_it(tmp_path):
    listing = list_csv(write(tmp_path, "path,label\nx/a.mp4,p\nx/a.avi,q\nx/./b.mp4,q\nx/.mp4,q\n"))
    assert listing.train.names() == ["x/a.mp4", "x/a.avi", "x/b", "x/.mp4"]


def test_more_rows_than_are_read_at_once_are_all_there(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_columns, "AT_ONCE", 2)
    lines = ["path,label", *(f"{number}.mp4,{'ab'[number % 2]}" for number in range(5))]
    listing = list_csv(write(tmp_path, "\n".join(lines)))
    assert [(name, target) for name, target, _ in rows(listing.train)] == [
        (str(number), number % 2) for number in range(5)
    ]
    assert "line 6: the label is empty" in error_of(tmp_path, "\n".join(lines)[:-1])


MISTAKES = [
    ("", "there is no row in this list of videos"),
    ("path,label\n", "there is no row in this list of videos"),
    ("a.mp4,wave\n", "line 1: expected the header path,label[,start_seconds][,end_seconds]"),
    ("path;label\na.mp4;x\n", "line 1: expected the header path,label[,start"),
    ("path,labels\na,x\n", "line 1: unknown column 'labels'; did you mean label? columns are"),
    ("path,split\na,train\n", "line 1: the column label is missing; expected path,label"),
    ("path,label,label\n", "line 1: the column label is there twice"),
    ("path,label\na,x\n,x\n", "line 3: the path is empty"),
    ("path,label\na,\n", "line 2: the label is empty; write the name of a class"),
    ("path,label\na,x;\n", "line 2: a label of 'x;' is empty"),
    ("path,label\na,x;x\n", "line 2: a label of 'x;x' is there twice"),
    ("path,label\na,x\n\nb,x,y\n", "line 4: expected 2 cells (path,label), got 3; a cell with a"),
    ("path,label\na,x\nb,y\n./a,y\n", "line 4: the same video, or slice of it, as on line 2"),
    ("path,label\na/b,x\n/a/b,y\n", "line 3: /a/b and a/b would both be called a/b; write both"),
    ("path,label,start_seconds\na,x,soon\n", "line 2: start_seconds must be a number of seconds"),
    ("path,label,end_seconds\na,x,inf\n", "line 2: end_seconds must be a number of seconds from 0"),
    ("path,label,end_seconds\na,x,\na,x,0\n", "line 3: end_seconds must be after start_seconds"),
    ("path,label,split\na,x,trian\n", "line 2: split must be train, val or test, got 'trian'"),
    (
        "path,label,split\na,x,train\nb,y,test\n",
        "line 3: no row with the split train has the class",
    ),
    ("path,label,split\na,x,test\n", "no row has the split train"),
    (
        "path,label,split,group\na,x,train,g\nb,x,test,h\nc,x,val,g\n",
        "line 4: the group 'g' is in val here and in train on line 2",
    ),
    (
        "path,label,split,start_seconds\na.mp4,x,train,1\na.mp4,x,test,2\n",
        "line 3: the group 'a' is in test here and in train on line 2",
    ),
    (b"path,label\na,x\nb,caf\xe9\n", "line 3: this is not UTF-8; save the file as UTF-8"),
    ("path,label\n".encode("utf-16"), "it is in UTF-16; save it as UTF-8"),
    (
        'path,label\na,x\n"b,x\nc,x\n',
        "line 3: a quotation mark that is opened here is never closed",
    ),
    ('path,label\na,x\n"b,x\nc",x\n', "line 3: a quotation mark that is opened here is not closed"),
    ('path,label\na,x\n"b"c,x\n', "line 3: this is not CSV: ',' expected after '\"'; a cell with"),
    (f'path,label\na,x\n"b{"c" * 140_000},x\n', "line 3: a quotation mark that is opened here is"),
    ("path,label\na,x\nb\0,x\n", "line 3: there is the character NUL in it"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_each_mistake_has_a_message_with_its_line(tmp_path, text, message):
    assert f"{tmp_path}/mine.csv" in (error := error_of(tmp_path, text))
    assert message in error


def test_what_is_no_list_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is a folder, expected a CSV file; list the videos in"):
        list_csv(tmp_path)
    with pytest.raises(InputError, match=r"none.csv is no file; list the videos in data"):
        list_csv(tmp_path / "none.csv")


def test_a_list_without_a_test_split_wants_folds(tmp_path):
    file = write(tmp_path, "path,label\na.mp4,x\nb.mp4,x\n")
    with pytest.raises(InputError, match=r"nothing tells what to test on; set data.folds=5"):
        load_dataset("csv", file)


def test_a_missing_file_is_named(tmp_path):
    file = write(tmp_path, "path,label,split\na.mp4,x,train\nb.mp4,x,test\n")
    (tmp_path / "a.mp4").touch()
    message = r"1 of 2 listed videos are missing: b.mp4; looked in .*mine.csv's folder; list the"
    with pytest.raises(InputError, match=message):
        load_dataset("csv", file)
    (tmp_path / "b.mp4").touch()
    assert len(load_dataset("csv", file).test) == 1
