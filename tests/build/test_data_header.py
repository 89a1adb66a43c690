"""The lines about the videos of a run, before it begins."""

import pytest
import torch

from stn_action.build.data import open_data, read_listing
from stn_action.build.data_header import describe_data, share_beyond
from stn_action.config.schema import Config
from stn_action.distributed import build_strategy
from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople
from tests.tiny import WITHOUT_PERSON, tiny_config


def header(config: Config) -> list[str]:
    return list(describe_data(config, *open_data(config), build_strategy("float32")))


@pytest.fixture
def cornered(tiny_data, tmp_path) -> str:
    """A people file: each person is 16 pixels wide and high, in the corner of the frame."""
    file = PeopleFile.create(tmp_path / "people.sqlite", "hand")
    corner = Tube(
        torch.arange(3), torch.tensor([[0.0, 0.0, 16.0, 16.0]]).repeat(3, 1), torch.ones(3)
    )
    for video in read_listing(tiny_config(tiny_data)).all_videos:
        file.add(VideoPeople(video.name, (corner,), (48, 64)))
    return f"data.people={file.path}"


@pytest.mark.parametrize(
    ("beyond", "share"),
    [("pad", 1 - 24**2 / 32**2), ("shift", 0.0)],  # from (-8, -8) to (24, 24); moved: (0, 0)
)
def test_the_share_of_pixels_beyond_the_frames_is_that_of_the_crops(
    tiny_data, cornered, beyond, share
):
    settings = ["data.crop.looseness=0.5", "data.crop.view_share=1", f"data.crop.beyond={beyond}"]
    config = tiny_config(tiny_data, cornered, *settings)
    assert share_beyond(config, *open_data(config)) == pytest.approx(share)
    lines = [line for line in header(config) if "beyond the frames" in line]
    expected = "44% of the pixels of crops are beyond the frames, and padded: data.crop.beyond=fit"
    assert [line.startswith(expected) for line in lines] == [True] * (beyond == "pad")


def test_people_are_counted_and_missing_ones_named(tiny_data, cornered):
    config = tiny_config(tiny_data)
    first, people, *_ = header(config)
    assert first.startswith("folders: 12 training videos, 1 without person boxes (whole frame), 6 ")
    assert f"a person in 17 of 18 videos, none in {WITHOUT_PERSON}: the whole frame is" in people
    assert "a person in 18 of 18 videos" in header(tiny_config(tiny_data, cornered))[1]
    assert len(header(tiny_config(tiny_data, "data.people=null"))) == 1


def test_boxes_without_any_person_are_refused(tiny_data, tmp_path):
    file = PeopleFile.create(tmp_path / "people.sqlite", "hand")
    for video in read_listing(tiny_config(tiny_data)).all_videos:
        file.add(VideoPeople(video.name, ()))
    with pytest.raises(InputError, match=r"a person in none of the 18 videos; detect again into"):
        open_data(tiny_config(tiny_data, f"data.people={file.path}"))
