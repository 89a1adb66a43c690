"""People files: whole videos or none, many processes, clear words where something is wrong."""

import multiprocessing
import os
import pickle
import resource
import shutil
import sqlite3
import subprocess
import sys

import pytest
import torch

from stn_action.checksum import checksum, slice_label
from stn_action.disk.atomic_file import WriteError
from stn_action.disk.process_label import process_label
from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.video.content import video_checksum

MADE_BY = "colors 1, every 3 frames"


def people(name: str, *lefts: float, length: int = 5, **more) -> VideoPeople:
    tubes = []
    for left in lefts:
        frames = torch.arange(0, 3 * length, 3)
        x0 = left + 0.1 * frames
        boxes = torch.stack([x0, 0 * x0 + 1 / 3, x0 + 7, 0 * x0 + 20], dim=1).float()
        tubes.append(Tube(frames, boxes, torch.linspace(0.2, 0.9, length)))
    return VideoPeople(name, tuple(tubes), **more)


def same(one: VideoPeople, other: VideoPeople) -> bool:
    plain = ("name", "size_hw", "num_frames", "fps", "checksum", "labels")
    return all(getattr(one, key) == getattr(other, key) for key in plain) and all(
        torch.equal(a.frame_indices, b.frame_indices)
        and torch.equal(a.boxes, b.boxes)
        and torch.equal(a.scores, b.scores)
        for a, b in zip(one.tubes, other.tubes, strict=True)
    )


@pytest.fixture
def file(tmp_path) -> PeopleFile:
    return PeopleFile.create(tmp_path / "new" / "people.sqlite", MADE_BY)


def test_what_is_added_is_found_again_to_the_last_bit(file):
    everything = [
        people("a/one", 3.0, 50.0, size_hw=(40, 60), num_frames=13, fps=29.97, checksum="ab"),
        people("a/two", labels=()),
        people("b/one", 9.0, 20.0, labels=("Diving", None)),
    ]
    for one in everything:
        file.add(one)
    again = PeopleFile(file.path)
    assert len(again) == 3
    assert again.names() == ["a/one", "a/two", "b/one"]
    for one, found in zip(everything, again, strict=True):
        assert same(one, found)
    assert again.made_by == MADE_BY


def test_a_video_is_replaced_as_a_whole(file):
    file.add(people("one", 3.0, 50.0))
    file.add(people("one", 9.0))
    found = file.find("one")
    assert found is not None
    assert same(found, people("one", 9.0))
    assert len(file) == 1


def test_names_agree_from_their_end(file):
    file.add(people("Basketball/v_Basketball_g01_c01", 3.0))
    file.add(people("x/001", 4.0))
    file.add(people("y/001", 5.0))
    assert file.find("v_Basketball_g01_c01.avi") is not None
    assert file.find("data/Basketball/v_Basketball_g01_c01") is not None
    assert file.find("Diving/v_Basketball_g01_c01") is None
    with pytest.raises(InputError, match=r"the boxes of 001 may be those called x/001 or y/001"):
        file.find("001")
    assert file.longest_spans(["y/001", "none", "v_Basketball_g01_c01"]) == [13, None, 13]
    with pytest.raises(InputError, match=r"fit the video x/001 and the video more/x/001"):
        file.longest_spans(["x/001", "more/x/001"])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"out\.sqlite: cannot be written \(File exists\); make"):
        PeopleFile.create(tmp_path / "file" / "out.sqlite", "colors")


def test_a_name_that_is_not_utf8_is_refused(file):
    message = r"names are stored in UTF-8, 'wave/\\udcff' is not: rename the video"
    with pytest.raises(InputError, match=message):
        file.add(VideoPeople("wave/\udcff", ()), None)
    with pytest.raises(InputError, match=message):
        file.find("wave/\udcff")


def test_no_person_found_differs_from_never_processed(file):
    file.add(people("empty"))
    assert file.longest_spans(["empty"]) == [0]
    found = file.find("empty")
    assert found is not None
    assert found.tubes == ()
    assert file.find("other") is None


def test_a_video_is_done_while_its_file_stays_as_it_was(file, tmp_path):
    video = tmp_path / "one.mp4"
    video.write_bytes(b"first")
    assert not file.is_done("one", video)
    digest = "3f5b3e6e9e3b0c0b"
    file.add(people("one", 3.0, checksum=digest), video)
    assert file.is_done("one", video)
    video.write_bytes(b"other, and longer")
    assert not file.is_done("one", video)
    file.add(people("one"), video, error="broken")
    assert not file.is_done("one", video)
    assert file.errors() == {"one": "broken"}


def test_a_copied_video_of_another_date_is_told_by_its_checksum(file, tmp_path):
    video = tmp_path / "one.mp4"
    video.write_bytes(b"first")
    file.add(people("one", 3.0, checksum=checksum(video)), video)
    os.utime(video, (1, 1))
    assert file.is_done("one", video)


def test_a_slice_is_done_while_its_file_and_its_bounds_stay_as_they_were(file, tmp_path):
    path = tmp_path / "one.mp4"
    path.write_bytes(b"first")
    file.add(people("one_1", 3.0, checksum=video_checksum(path, 0.5, 2)), path)
    file.add(people("one_2", 3.0, checksum=video_checksum(path, 2)), path)
    assert file.is_done("one_1", path, slice_label(0.5, 2.0))
    assert file.is_done("one_2", path, slice_label(2.0, None))
    for bounds in [(0.5, 2.5), (None, 2.0), (0.5, None), (None, None)]:
        assert not file.is_done("one_1", path, slice_label(*bounds))
    assert not file.is_done("one_2", path)
    os.utime(path, (1, 1))  # told by the checksum
    assert file.is_done("one_1", path, slice_label(0.5, 2.0))
    assert not file.is_done("one_1", path, slice_label(0.5, 2.5))
    path.write_bytes(b"other, and longer")
    assert not file.is_done("one_1", path, slice_label(0.5, 2.0))


def test_a_whole_file_is_no_slice_of_itself(file, tmp_path):
    path = tmp_path / "one.mp4"
    path.write_bytes(b"first")
    file.add(people("one", 3.0, checksum=video_checksum(path)), path)
    assert file.is_done("one", path)
    assert file.is_done("one", path, slice_label(0.0, None))
    assert not file.is_done("one", path, slice_label(0.5, None))


def test_claims_hold_while_their_process_lives(file):
    assert file.claim("one")
    assert file.claim("one")
    program = (
        "import sys; from stn_action.person.store.people_file import PeopleFile\n"
        f"print(PeopleFile({str(file.path)!r}).claim(sys.argv[1]))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program, name], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("one", "two")
    ]
    assert said == ["False", "True"]
    assert file.claim("two")  # the process that had it is gone
    number, started = process_label().split()
    with file._file.writing() as connection:
        connection.execute("UPDATE claims SET process = ?", (f"{number} {int(started) - 1}",))
    assert PeopleFile(file.path).claim("one")  # of an earlier process with this one's number


def _fill(path, first):
    file = PeopleFile.create(path, MADE_BY)
    for number in range(first, first + 25):
        file.add(people(f"{number}", float(number), float(number)))


def test_two_processes_begin_and_write_one_file_together(tmp_path):
    path = tmp_path / "people.sqlite"
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_fill, args=(path, first)) for first in (0, 100)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    file = PeopleFile(path)
    assert len(file) == 50
    assert {len(one.tubes) for one in file} == {2}


def test_files_that_were_made_alike_are_joined(tmp_path):
    files = [PeopleFile.create(tmp_path / f"{name}.sqlite", MADE_BY) for name in "abc"]
    files[0].add(people("one", 1.0))
    files[0].add(people("broken"), error="cut off")
    files[1].add(people("one", 2.0, 3.0))
    files[1].add(people("two", 4.0, 5.0, labels=("x", "y")))
    files[1].add(people("broken", 6.0))
    files[2].add(people("empty"))
    assert [files[0].merge(other) for other in files[1:]] == [2, 1]
    found = {one.name: one for one in files[0]}
    assert sorted(found) == ["broken", "empty", "one", "two"]
    assert same(found["one"], people("one", 1.0))
    assert same(found["two"], people("two", 4.0, 5.0, labels=("x", "y")))
    assert same(found["broken"], people("broken", 6.0))
    other = PeopleFile.create(tmp_path / "other.sqlite", "another detector")
    with pytest.raises(
        InputError, match=r"other.sqlite: its boxes were made by 'another detector'"
    ):
        files[0].merge(other)


def test_a_file_goes_to_other_processes_by_its_path(file):
    file.add(people("one", 1.0))
    copy = pickle.loads(pickle.dumps(file))
    assert same(copy.find("one"), people("one", 1.0))


def test_other_settings_and_other_files_are_refused(tmp_path, file):
    with pytest.raises(InputError, match=r"made by 'colors 1, every 3 frames', not by 'yolox'"):
        PeopleFile.create(file.path, "yolox")
    with pytest.raises(InputError, match=r"gone.sqlite: no people file; `python tools/detect"):
        PeopleFile(tmp_path / "gone.sqlite")
    text = tmp_path / "text.sqlite"
    text.write_text("this is no people file\n" * 100)
    with pytest.raises(InputError, match=r"text.sqlite: file is not a database; is it a people"):
        PeopleFile(text)
    sqlite3.connect(tmp_path / "plain.sqlite").execute("CREATE TABLE about (key, value)")
    message = (
        r"plain.sqlite: a database, but not a people file: its tables are about, or have other"
    )
    with pytest.raises(InputError, match=message):
        PeopleFile(tmp_path / "plain.sqlite")


def test_a_damaged_file_is_reported(file):
    file.add(people("one", 1.0))
    with file._file.writing() as connection:
        connection.execute("UPDATE tubes SET scores = x'00000000'")
    with pytest.raises(InputError, match=r"the boxes of one are damaged: scores must be \(5,\)"):
        file.find("one")


def _fill_a_small_disk(path):
    """Files of this process may not grow beyond 100 kB, as on a full disk."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    file = PeopleFile.create(path, MADE_BY)
    number = 0
    try:
        while number < 200:
            file.add(people(f"{number:03}", *range(20)))
            number += 1
    except InputError as error:
        sys.stdout.write(f"{number} {error}")


def test_a_full_disk_is_reported_and_leaves_the_earlier_work_intact(tmp_path):
    program = (
        "from pathlib import Path\n"
        "from tests.person.store.test_people_file import _fill_a_small_disk\n"
        f"_fill_a_small_disk(Path({str(tmp_path / 'people.sqlite')!r}))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    number, _, message = said.partition(" ")
    assert "all finished videos are safe" in message
    file = PeopleFile(shutil.copy(tmp_path / "people.sqlite", tmp_path / "copy.sqlite"))
    assert len(file) == int(number) > 5
    assert all(same(one, people(one.name, *range(20))) for one in file)
