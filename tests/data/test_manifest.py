import os
import pickle
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stn_action.data.manifest import (
    COLUMNS,
    DIGEST_MARK,
    HEADER,
    Entry,
    Manifest,
    from_line,
    to_line,
    write_manifest,
)
from stn_action.errors import InputError

ENTRY = Entry(
    name="wave/a",
    frames=120,
    fps=30000 / 1001,
    width=340,
    height=256,
    rotation=90,
    codec="h264",
    bytes=12345,
    modified=1_700_000_000_123_456_789,
    checksum="00ff" * 8,
    note="frames that are damaged: 2",
)


def many(number: int) -> list[Entry]:
    return [replace(ENTRY, name=f"c{i % 7}/v{i:05d}", frames=i) for i in range(number)]


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    path = tmp_path / "manifest.tsv"
    write_manifest(path, (to_line(entry) for entry in many(500)))
    return Manifest.open(path)


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        replace(ENTRY, name="tab\tnew\nline\\n\r back\\", error="'quotes', \"both\"; ä 走 \\t"),
        replace(ENTRY, name="not utf-8 \udcff"),
    ],
)
def test_an_entry_survives_being_written(entry, tmp_path):
    assert from_line(to_line(entry), source="x") == entry
    write_manifest(tmp_path / "one.tsv", [to_line(entry)])
    assert Manifest.open(tmp_path / "one.tsv").find(entry.name) == entry


def test_every_name_is_found_and_no_other(manifest):
    for entry in many(500):
        assert manifest.find(entry.name) == entry
        assert manifest.line_of(entry.name) == to_line(entry)
    assert manifest.find("c0/v00001") is None
    assert manifest.find("c0/v0000") is None
    assert manifest.line_of("") is None
    assert len(manifest) == 500
    assert list(manifest) == many(500)
    assert manifest.entry(3).frames == 3
    with pytest.raises(IndexError, match=r"row must be in \[0, 500\), got 500"):
        manifest.entry(500)


def test_names_of_one_hash_are_told_apart(tmp_path):
    names = ["plumless", "buckeroo"]  # the same crc32
    path = tmp_path / "manifest.tsv"
    write_manifest(path, (to_line(replace(ENTRY, name=name)) for name in names))
    manifest = Manifest.open(path)
    assert [manifest.find(name).name for name in names] == names


def test_an_empty_manifest_knows_nothing(tmp_path):
    write_manifest(tmp_path / "empty.tsv", [])
    manifest = Manifest.open(tmp_path / "empty.tsv")
    assert (len(manifest), list(manifest), manifest.find("a")) == (0, [], None)


def test_a_pickled_manifest_is_its_path(manifest):
    data = pickle.dumps(manifest)
    assert len(data) < 1000
    assert list(pickle.loads(data)) == list(manifest)


class Frames(torch.utils.data.Dataset):
    def __init__(self, manifest: Manifest):
        self.manifest = manifest

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> int:
        found = self.manifest.find(many(500)[index].name)
        assert found is not None
        return found.frames


def test_forked_workers_look_names_up(manifest):
    loader = torch.utils.data.DataLoader(
        Frames(manifest), batch_size=100, num_workers=2, multiprocessing_context="fork"
    )
    assert torch.cat(list(loader)).tolist() == list(range(500))


def test_a_spreadsheets_line_ends_do_no_harm(manifest, tmp_path):
    text = manifest.path.read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "windows.tsv").write_bytes(text)
    assert list(Manifest.open(tmp_path / "windows.tsv")) == many(500)


ONE = to_line(ENTRY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"line 1: not the header of a manifest; write it again with `python tools/check_vid"),
        (b"name\tframes\n" + ONE, r"line 1: not the header of a manifest"),
        (HEADER[:-1], r"line 1: not the header of a manifest"),
        (HEADER + ONE + b"b\t12\n", r"line 3: expected 12 columns, got 2; write it again"),
        (HEADER + ONE + ONE[:10], r"line 3: expected 12 columns, got 2, where the file is cut off"),
        (HEADER + ONE[:-2], r"line 2: the file is cut off in this line; write it again"),
        (HEADER + ONE + b"\n", r"line 3: expected 12 columns, got 1"),
        (HEADER + ONE + ONE, r"line 3: wave/a is in line 2 already; write it again"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, text, message):
    path = tmp_path / "bad.tsv"
    path.write_bytes(text)
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}, {message}"):
        Manifest.open(path)


def test_a_value_of_another_kind_is_refused_when_it_is_read(tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_bytes(HEADER + ONE + ONE.replace(b"wave/a\t120", b"b\ta lot"))
    manifest = Manifest.open(path)
    assert manifest.find("wave/a") == ENTRY
    with pytest.raises(InputError, match=r"bad.tsv, line 3: frames must be a number, got 'a lot'"):
        manifest.find("b")


@pytest.mark.parametrize(
    ("column", "value"),
    [("frames", "1000000000"), ("frames", "-1"), ("fps", "nan"), ("width", "99999")],
)
def test_an_absurd_number_is_refused_when_it_is_read(tmp_path, column, value):
    path = tmp_path / "bad.tsv"
    cells = ONE.rstrip(b"\n").split(b"\t")
    cells[COLUMNS.index(column)] = value.encode()
    path.write_bytes(HEADER + b"\t".join(cells) + b"\n")
    with pytest.raises(InputError, match=rf"bad.tsv, line 2: {column} must be from 0 to \d+, got"):
        Manifest.open(path).find("wave/a")


def test_a_device_a_pipe_and_an_endless_line_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((Path("/dev/zero"), "a device"), (tmp_path / "pipe", "a pipe")):
        with pytest.raises(InputError, match=f"it is {kind}, expected a regular file; write it ag"):
            Manifest.open(path)
    path = tmp_path / "long.tsv"
    path.write_bytes(HEADER + b"x" * 3_000_000)
    with pytest.raises(InputError, match=r"line 2: expected 12 columns, got 1, where the file is"):
        Manifest.open(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no.tsv: no such manifest; write it again with"):
        Manifest.open(tmp_path / "no.tsv")


def test_a_manifest_that_cannot_be_finished_leaves_the_old_one(manifest):
    def lines():
        yield to_line(ENTRY)
        raise OSError(28, "No space left on device")

    with pytest.raises(
        InputError, match=r"cannot be written \(No space left on device\); make room"
    ):
        write_manifest(manifest.path, lines())
    assert list(Manifest.open(manifest.path)) == many(500)
    assert [path.name for path in manifest.path.parent.iterdir()] == ["manifest.tsv"]


def test_any_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "m.tsv"
    write_manifest(path, map(to_line, many(2)))
    data = path.read_bytes()
    draw = random.Random(0)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"m\.tsv.*write it again with"):
            Manifest.open(path)


def test_lines_that_are_cut_off_or_edited_are_noticed_unless_there_is_no_digest(tmp_path):
    path = tmp_path / "m.tsv"
    write_manifest(path, map(to_line, many(5)))
    header, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + b"".join(lines[:-1]))
    with pytest.raises(InputError, match=r"m\.tsv: damaged: .*take the digest off line 1"):
        Manifest.open(path)
    path.write_bytes(header.partition(DIGEST_MARK)[0] + b"\n" + b"".join(lines[:-1]))
    assert list(Manifest.open(path)) == many(5)[:-1]


def test_the_columns_are_those_documented():
    assert COLUMNS == (
        "name", "frames", "fps", "width", "height", "rotation", "codec", "bytes", "modified",
        "checksum", "error", "note",
    )  # fmt: skip
