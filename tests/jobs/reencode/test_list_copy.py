"""Copies of data sets with lists: they are loaded as the originals are."""

from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from stn_action.data.datasets.csv_copy import list_of_copies
from stn_action.data.datasets.csv_file import list_csv
from stn_action.data.datasets.dataset_table import load_dataset
from stn_action.data.datasets.ucf101_tubes import list_ucf101_24
from stn_action.errors import InputError
from stn_action.jobs.reencode.copy_records import PEOPLE
from stn_action.jobs.reencode.dataset_copy import reencode_dataset
from stn_action.jobs.reencode.plan import ReencodePlan, plan_reencode
from stn_action.jobs.reencode.reencoded_video import Recipe
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.video_people import VideoPeople
from stn_action.video.backend_table import open_video
from tests.dataset_trees import TREES
from tests.listed_trees import write_diving48
from tests.named_trees import write_csv
from tests.tiny import tiny_settings, write_config
from tests.tree_files import LinkedClips
from tests.ucf101_tree import write_ucf101_24

WHOLE = ("data.official=false", "data.people=null", "data.regions=null", "data.augment.hflip=0")
ROWS = (
    "path,label,start_seconds,end_seconds,group",
    r'day 1/a.mp4,"kick, high;a \; b",1,4.5,',
    "day 1/a.mp4,wave,5,9,",
    r'b.avi,"a \; b;kick, high",,,bob',
    "b.mp4,wave,,,bob",
)


@pytest.fixture
def put(tmp_path):
    (tmp_path / "clips").mkdir()
    return LinkedClips(tmp_path / "clips")


def reencode(name, root, out, people=None, *settings):
    file = out.parent / "config.yaml"
    write_config(file, tiny_settings(root, f"data.name={name}", *WHOLE, *settings))
    plan = plan_reencode(str(file), [], out, Recipe(24), people)
    return reencode_dataset(plan, workers=0, console=Console(file=StringIO()))


@pytest.mark.parametrize(
    "name",
    ["kinetics400", "something_v1", "something_v2", "diving48", "ucf101_24", "finegym99"],
)
def test_a_copy_has_the_lists_of_its_data_set(name, tmp_path, put):
    write = partial(write_diving48, lists="annotations") if name == "diving48" else TREES[name]
    root, out = write(tmp_path / "data", put), tmp_path / "out"
    reencode(name, root, out)
    before, after = (load_dataset(name, folder, require_official=False) for folder in (root, out))
    assert after.test.names() == before.test.names()
    assert [path.endswith(".mp4") for path in after.all_videos.paths()] == [True] * len(
        before.all_videos
    )
    with open_video(after.test[0].path) as video:
        assert video.size_hw == (24, 32)


def test_films_with_key_frames_are_re_encoded_by_their_folder(tmp_path, put):
    root, out = TREES["ava"](tmp_path / "data", put), tmp_path / "out"
    with pytest.raises(InputError, match=r"people at key frames.*give the folder, .*data, in pla"):
        reencode("ava", root, out)
    plan = plan_reencode(str(root), [], out, Recipe(24), None)
    reencode_dataset(plan, workers=0, console=Console(file=StringIO()))
    before, after = (load_dataset("ava", folder, require_official=False) for folder in (root, out))
    assert after.test.names() == before.test.names()
    assert {path.parent.relative_to(out) for path in map(Path, after.all_videos.paths())} == {
        path.parent.relative_to(root) for path in map(Path, before.all_videos.paths())
    }
    with open_video(after.test[0].path) as video:
        assert video.size_hw == (24, 32)


def test_a_list_of_your_own_is_written_anew_for_its_copies(tmp_path, put):
    file, out = write_csv(tmp_path / "data", put, rows=ROWS), tmp_path / "out"
    names = list_csv(file).train.names()
    boxes = PeopleFile.create(tmp_path / "people.sqlite", "hand")
    for name in names:
        boxes.add(VideoPeople(name, ()))
    summary = reencode("csv", file, out, boxes.path, "data.folds=2")
    assert summary.job.done == 4
    assert summary.lines()[1:] == [
        f"written to {out}; train with data.root={out / 'mine.csv'} data.people={out / PEOPLE}"
    ]
    before, after = list_csv(file), list_csv(out / "mine.csv")
    assert after.classes == before.classes == ("a ; b", "kick, high", "wave")
    assert (after.train.names(), after.train.labels()) == (names, before.train.labels())
    assert after.train.groups() == before.train.groups()
    assert not after.train[1].is_slice
    with open_video(after.train[1].path) as video:
        assert len(video) == 8  # four seconds at two frames each
    assert sorted(PeopleFile(out / PEOPLE).names()) == sorted(names)
    assert reencode("csv", file, out, boxes.path, "data.folds=2").job.known == 4


def test_the_parts_of_a_list_stay(tmp_path):
    file = write_csv(tmp_path)
    (tmp_path / "copy.csv").write_text(list_of_copies(file))
    before, after = list_csv(file), list_csv(tmp_path / "copy.csv")
    assert after.test.names() == before.test.names() == ["c"]
    assert after.train.groups() == ["ann", "ann", "bob"]


def test_the_video_of_several_tubes_is_not_cropped_to_one(tmp_path):
    videos = list_ucf101_24(write_ucf101_24(tmp_path / "data")).all_videos
    ReencodePlan(videos, tmp_path / "data", tmp_path / "out", Recipe(24))
    message = r"v_Biking_g01_c02/0 and .*v_Biking_g01_c02/1 are people of one video, .*c02.avi, whi"
    with pytest.raises(InputError, match=message):
        ReencodePlan(videos, tmp_path / "data", tmp_path / "out", Recipe(24, margin=0.5))


def test_a_copy_never_replaces_what_a_list_names(tmp_path, put):
    file = write_csv(tmp_path / "data", put)
    message = r"--out: .*data holds videos that are to be re-encoded, in .*; choose another folder"
    with pytest.raises(InputError, match=message):
        reencode("csv", file, tmp_path / "data")
