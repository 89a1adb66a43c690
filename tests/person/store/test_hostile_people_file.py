"""People files of unknown origin: views, triggers, other types, circles in the file."""

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stn_action.disk import sqlite_file
from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.store.people_rows import pack_tube, unpack_tube
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.reader import VideoError

TUBE = Tube(torch.tensor([0, 3]), torch.tensor([[0.0, 0, 9, 9]] * 2), torch.ones(2))
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"


@pytest.fixture
def path(tmp_path) -> Path:
    file = PeopleFile.create(tmp_path / "people.sqlite", "detector")
    file.add(VideoPeople("one", (TUBE,), (20, 30), 40, 25.0, "ab"))
    file.close()
    return file.path


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE about", f"CREATE VIEW about AS {ENDLESS.format('i AS key, i AS value')}"],
        ["DROP TABLE tubes", f"CREATE VIEW tubes AS {ENDLESS.format('i AS video')}"],
        ["CREATE TRIGGER t AFTER INSERT ON claims BEGIN DELETE FROM videos; END"],
        ["CREATE INDEX i ON videos(hex(zeroblob(length(name) + 1000000)))"],
        ["CREATE TABLE more (a)"],
        ["ALTER TABLE videos ADD COLUMN more AS (hex(zeroblob(100000000)))"],
        ["DROP TABLE claims"],
    ],
)
def test_other_tables_than_those_of_a_people_file_are_refused(path, statements):
    change(path, *statements)
    with pytest.raises(InputError, match=r"people\.sqlite: a database, but not a people file: its"):
        PeopleFile(path)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE tubes SET frames = 'text'", "frames must be bytes, got str"),
        ("UPDATE tubes SET boxes = 3", "boxes must be bytes, got int"),
        ("UPDATE tubes SET frames = x'000000'", "frames must be numbers of 4 bytes, got 3 bytes"),
        ("UPDATE tubes SET boxes = x'00000000'", "boxes must have four corners each, got 1 num"),
        ("UPDATE tubes SET frames = x'00000000ffffff7f'", "frames must be from 0 to 10000000"),
        ("UPDATE tubes SET frames = x'ffffffff00000000'", "frames must be from 0 to 10000000"),
        ("UPDATE tubes SET frames = x'0100000001000000'", "frame_indices must strictly increase"),
        (
            "UPDATE tubes SET frames = x'', boxes = x'', scores = x''",
            "a Tube needs at least one box",
        ),
        ("UPDATE tubes SET scores = x'0000c07f0000807f'", "boxes and scores must be finite"),
        (f"UPDATE tubes SET boxes = x'{'ffff7f7f' * 8}'", "boxes and scores must be finite"),
        ("UPDATE tubes SET label = x'00'", "the column label holds bytes"),
        ("UPDATE videos SET height = 'x'", "the column height holds str"),
        ("UPDATE videos SET width = NULL", "the column width holds NoneType"),
        ("UPDATE videos SET width = 1000000", "the column width holds 1000000"),
        ("UPDATE videos SET num_frames = 1000000000", "the column num_frames holds 1000000000"),
        ("UPDATE videos SET num_frames = 2.5", "the column num_frames holds 2.5"),
        ("UPDATE videos SET fps = 9e999", "the column fps holds inf"),
        ("UPDATE videos SET fps = 'fast'", "the column fps holds str"),
        ("UPDATE videos SET checksum = x'00'", "the column checksum holds bytes"),
    ],
)
def test_a_row_of_other_types_is_a_failure_of_its_video(path, statement, message):
    change(path, statement)
    with pytest.raises(
        VideoError, match=rf"people\.sqlite: the boxes of one are damaged: {message}"
    ):
        PeopleFile(path).find("one")


@pytest.mark.parametrize(
    ("statement", "call", "message"),
    [
        ("UPDATE about SET value = x'00' WHERE key = 'format'", len, "its format is None"),
        ("DELETE FROM about WHERE key = 'made_by'", len, "it does not tell what made its boxes"),
        ("UPDATE videos SET name = x'6f'", PeopleFile.names, "a name in it is a bytes"),
        ("UPDATE videos SET error = x'00'", PeopleFile.errors, "an error in it is a bytes"),
        ("UPDATE videos SET longest_span = 'x'", lambda file: file.longest_spans(["one"]), "span"),
        ("INSERT INTO claims VALUES ('one', x'00')", lambda file: file.claim("one"), "a process"),
    ],
)  # fmt: skip
def test_other_types_elsewhere_are_one_message(path, statement, call, message):
    change(path, statement)
    with pytest.raises(InputError, match=rf"people\.sqlite: .*{message}"):
        call(PeopleFile(path))


def test_a_query_takes_no_more_steps_and_bytes_than_the_file_can_need(path, monkeypatch):
    file = PeopleFile(path)
    with pytest.raises(InputError, match="damaged: its content takes far longer to read than a fi"):
        file._file.query(ENDLESS.format("sum(i)"))
    with pytest.raises(InputError, match="its rows hold more than a file of"):
        file._file.query(ENDLESS.format("zeroblob(1000000)"))
    assert file.names() == ["one"]
    monkeypatch.setattr(sqlite_file, "MIN_BYTES", 0)
    assert file.find("one") is not None


def test_a_file_that_is_read_is_not_written(path):
    before = path.read_bytes()
    file = PeopleFile(path)
    with pytest.raises(InputError, match=r"attempt to write a readonly database"):
        file._file.query("DELETE FROM videos")
    file.add(VideoPeople("two", ()))
    with pytest.raises(InputError, match=r"attempt to write a readonly database"):
        file._file.query("DELETE FROM videos")
    assert file.names() == ["one", "two"]
    assert path.read_bytes() != before


def test_a_file_is_opened_by_its_exact_name(tmp_path):
    for name in ("a?mode=memory&x=#1 %20.sqlite", "file:b.sqlite"):
        PeopleFile.create(tmp_path / name, "detector").add(VideoPeople(name, (TUBE,)))
        assert PeopleFile(tmp_path / name).names() == [name]
    other = PeopleFile.create(tmp_path / "file:c.sqlite", "detector")
    assert other.merge(PeopleFile(tmp_path / name)) == 1


def test_pipes_and_devices_are_no_people_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match=r"no people file|expected a regular file"):
            PeopleFile(name)


def test_threads_may_read_one_file(path):
    file, found = PeopleFile(path), []
    thread = threading.Thread(target=lambda: found.append(file.find("one")))
    thread.start()
    thread.join()
    assert found[0].name == "one"


COLUMN = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=40)
)


@settings(max_examples=100, deadline=None)
@given(COLUMN, COLUMN, COLUMN)
def test_any_columns_are_a_tube_or_an_error(frames, boxes, scores):
    try:
        tube = unpack_tube(frames, boxes, scores)
    except ValueError:
        return
    assert pack_tube(tube) == (frames, boxes, scores)


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> bytes:
    file = PeopleFile.create(tmp_path_factory.mktemp("intact") / "people.sqlite", "detector")
    file.add_all(VideoPeople(f"v{n}", (TUBE,), (20, 30), 40, 25.0, "ab") for n in range(300))
    file.close()
    return file.path.read_bytes()


def read_all(path: Path) -> int:
    file = PeopleFile(path)
    found = [file.find(name) for name in file.names()]
    file.close()
    return len(found)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_any_damage_is_noticed_or_harmless(intact, tmp_path, changes):
    data = bytearray(intact)
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    (tmp_path / "people.sqlite").write_bytes(data)
    with contextlib.suppress(InputError):
        read_all(tmp_path / "people.sqlite")


def test_pages_that_lead_in_a_circle_end(intact, tmp_path):
    path = tmp_path / "people.sqlite"
    size = int.from_bytes(intact[16:18], "big")
    interior = [at for at in range(0, len(intact), size) if intact[at] in (2, 5)]
    data = bytearray(intact)
    for at in interior:  # each cell and the last pointer lead to the page itself
        data[at + 8 : at + 12] = (at // size + 1).to_bytes(4, "big")
    path.write_bytes(data)
    assert interior
    with pytest.raises(InputError, match=r"people\.sqlite: "):
        read_all(path)
