"""Person boxes of an experiment: those of its videos, none missing, everything counted."""

import json

import pytest

from stn_action.build.data import load_listing, read_listing, training_dataset
from stn_action.build.people import people_of
from stn_action.build.protocol_line import protocol
from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.store.tube_folder import TubeFolder
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from stn_action.runs.folds import pooled_listing
from stn_action.runs.train import train
from tests.tiny import WITHOUT_PERSON, tiny_config


@pytest.fixture
def people(tiny_data, tmp_path) -> PeopleFile:
    """The tiny data set's people in one file; of a test video, two people."""
    folder = TubeFolder(tiny_data / "people")
    file = PeopleFile.create(tmp_path / "people.sqlite", "hand")
    listing = read_listing(tiny_config(tiny_data))
    for video in (*listing.train, *listing.test):
        found = folder.find(video.name)
        tubes = () if found is None else found.tubes
        if video.name == "test/right/0":
            other = tubes[0]
            tubes += (Tube(other.frame_indices, other.boxes + 2, other.scores),)
        file.add(VideoPeople(video.name, tubes, (48, 64)))
    return file


def config_of(tiny_data, people: PeopleFile, *more: str):
    return tiny_config(tiny_data, f"data.people={people.path}", *more)


def test_a_file_and_a_folder_give_the_same_clips(tiny_data, people):
    plain, of_file = tiny_config(tiny_data), config_of(tiny_data, people)
    assert isinstance(people_of(plain), TubeFolder)
    assert isinstance(people_of(of_file), PeopleFile)
    listing = load_listing(plain)
    one, other = (training_dataset(config, listing.train) for config in (plain, of_file))
    assert one.without_tube == other.without_tube == 1
    for item in (0, 5, 11):
        assert (one[item][0][0].clip == other[item][0][0].clip).all()
        assert (one[item][0][0].boxes == other[item][0][0].boxes).all()


def test_videos_without_a_person_are_counted_or_left_out(tiny_data, people):
    people.add(VideoPeople("test/down/1", ()))
    listing = load_listing(config_of(tiny_data, people))
    assert (len(listing.train), len(listing.test)) == (12, 6)
    assert (listing.whole_frame, listing.skipped) == (1, 0)
    config = config_of(tiny_data, people, "data.tubes.no_person=skip")
    listing = load_listing(config)
    assert WITHOUT_PERSON not in {video.name for video in listing.train}
    assert (len(listing.train), len(listing.test)) == (11, 5)
    assert (listing.whole_frame, listing.skipped) == (0, 1)
    assert "folders: 5 videos, 0 failed, 1 without a person left out; " in protocol(
        config, listing, 0
    )
    pooled = pooled_listing(config, [listing, listing])
    assert (len(pooled.test), pooled.skipped) == (10, 2)


def test_short_tubes_count_as_no_person(tiny_data, people):
    config = config_of(tiny_data, people, "data.tubes.min_span=4")
    assert load_listing(config).whole_frame == 1  # test/left/1 has three frames
    config = config_of(tiny_data, people, "data.tubes={min_span: 99, no_person: skip}")
    with pytest.raises(InputError, match=r"has a person in none of 12 videos; lower data.tubes"):
        load_listing(config)


def test_boxes_of_another_data_set_are_refused(tiny_data, tmp_path):
    file = PeopleFile.create(tmp_path / "other.sqlite", "hand")
    file.add(VideoPeople("Archery/v_Archery_g01_c01", ()))
    message = (
        r"none of the 18 videos has boxes in .*other.sqlite; the first is called train/down/0, the "
        r"first in that file Archery/v_Archery_g01_c01. Are they of another data set\?"
    )
    with pytest.raises(InputError, match=message):
        load_listing(config_of(tiny_data, file))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x.csv").write_text("frame,x0,y0,x1,y1\n0,1,2,3,4\n")
    with pytest.raises(InputError, match=r"none of the 18 videos has boxes in .*folder"):
        load_listing(tiny_config(tiny_data, f"data.people={tmp_path / 'folder'}"))


def test_videos_never_processed_are_reported(tiny_data, people):
    with people._file.writing() as connection:
        connection.execute("DELETE FROM videos WHERE name LIKE 'test/%' OR name = 'train/left/0'")
    message = r"7 of 18 videos are not in .* \(train/left/0, test/down/0, test/down/1, ...\); run"
    with pytest.raises(InputError, match=message):
        load_listing(config_of(tiny_data, people))


def test_every_person_is_trained_on_and_tested(tiny_data, people, tmp_path):
    out = tmp_path / "run"
    more = ["data.tubes.select=all", "train.epochs=1", f"train.output_dir={out}"]
    result = train(config_of(tiny_data, people, *more))
    assert "person crop (all, looseness 0.25" in result.protocol
    assert json.loads((out / "test.json").read_text())["protocol"] == result.protocol
    assert result.failures == []


def test_a_cache_cannot_hold_every_person(tiny_data, people):
    more = ["data.tubes.select=all", "train.cache_features=true", "model.freeze_until=stage2"]
    with pytest.raises(InputError, match=r"with data.tubes.select=all the number of samples"):
        config_of(tiny_data, people, *more)
