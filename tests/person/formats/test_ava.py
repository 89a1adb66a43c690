import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stn_action.errors import InputError
from stn_action.person.formats.ava import AvaVideo, read_ava, write_ava
from stn_action.person.video_people import VideoPeople
from tests.person.formats.made_people import assert_same, tube, videos

VIDEO = AvaVideo((100, 200), 25.0, start_seconds=900.0)
LIST = """
label {
  name: "stand"
  label_id: 12
  label_type: PERSON_MOVEMENT
}
label { name: "talk to (e.g., self, a person)" label_id: 79 }
"""
CSV = """-FL,0902,0.1,0.2,0.5,0.6,79,1
-FL,0902,0.1,0.2,0.5,0.6,12,1
-FL,0902,0.0,0.0,1.0,1.0,12,0
-FL,0904,0.5,0.5,0.75,0.75,12,1
"""


def stored(tmp_path, text: str, name: str = "ava.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_person_has_a_box_per_moment_and_all_actions(tmp_path):
    actions = stored(tmp_path, LIST, "list.pbtxt")
    (video,) = read_ava(stored(tmp_path, CSV), VIDEO, actions=actions)
    assert (video.name, video.size_hw, video.fps) == ("-FL", (100, 200), 25)
    assert video.labels == ("stand", "stand; talk to (e.g., self, a person)")
    assert [one.frame_indices.tolist() for one in video.tubes] == [[50], [50, 100]]
    assert video.tubes[0].boxes.tolist() == [[0, 0, 200, 100]]
    torch.testing.assert_close(
        video.tubes[1].boxes, torch.tensor([[20.0, 20, 100, 60], [100, 50, 150, 75]])
    )
    assert read_ava(stored(tmp_path, CSV), VIDEO)[0].labels == ("12", "12; 79")


def test_videos_are_described_one_by_one_and_moments_may_be_empty(tmp_path):
    told = {"a": AvaVideo((10, 10), 30), "b": AvaVideo((20, 40), 29.97, 1.5, 500)}
    text = "a,3,,,,,,\nb,11.5,0.5,0.5,1,1,3,7\na,4\n"
    first, second = read_ava(stored(tmp_path, text), lambda name: told[name])
    assert (first.name, first.tubes, first.size_hw) == ("a", (), (10, 10))
    assert second.tubes[0].frame_indices.tolist() == [300]
    assert second.tubes[0].boxes.tolist() == [[20, 10, 40, 20]]
    assert second.num_frames == 500


def test_excluded_moments_are_passed_over(tmp_path):
    excluded = stored(tmp_path, "-FL,0902\nother,0904\n", "excluded.csv")
    (video,) = read_ava(stored(tmp_path, CSV), VIDEO, excluded=excluded)
    assert [one.frame_indices.tolist() for one in video.tubes] == [[100]]
    assert video.labels == ("12",)


def inside(box):
    """A box within the image of 4000 x 4000."""
    low, high = box[:2].clamp(0, 3000), box[2:].clamp(0, 4000)
    return torch.cat([low, torch.maximum(high, low + 1)])


@given(made=videos(labels=st.sampled_from(["stand", "stand; talk to (e.g., self, a person)"])))
@settings(max_examples=20, deadline=None)
def test_written_people_read_back(made):
    people = [
        VideoPeople(
            video.name,
            tuple(
                tube(one.frame_indices.tolist(), torch.stack([*map(inside, one.boxes)]).tolist())
                for one in video.tubes
            ),
            size_hw=(4000, 4000),
            fps=video.fps,
            labels=video.labels,
        )
        for video in made
    ]
    told = {video.name: AvaVideo((4000, 4000), video.fps or 1, 900) for video in people}
    with tempfile.TemporaryDirectory() as folder:
        actions = stored(Path(folder), LIST, "list.pbtxt")
        write_ava(Path(folder) / "ava.csv", people, start_seconds=900, actions=actions)
        back = read_ava(Path(folder) / "ava.csv", lambda name: told[name], actions=actions)
    assert_same(back, people, scores=False)
    assert [video.labels for video in back] == [video.labels for video in people]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the file has no lines; was it truncated"),
        (f"{CSV}-FL,0905,0.5,0.5,0.7", r"line 5: eight cells .*, got 5"),
        (f"{CSV},0905,0.5,0.5,0.7,0.7,12,1", r"line 5: eight cells"),
        (
            "video_id,timestamp,x1,y1,x2,y2,action_id,person_id\n",
            r"line 1: the timestamp must be a",
        ),
        ("a,0899,0,0,1,1,12,1\n", r"line 1: 899 s is before the start of the video, 900 s"),
        ("a,nan,0,0,1,1,12,1\n", r"line 1: the timestamp must be finite, got 'nan'"),
        ("a,902,nan,0,1,1,12,1\n", r"line 1: every corner must be finite, got 'nan'"),
        ("a,902,1,0,0,1,12,1\n", r"line 1: x0 < x1 and y0 < y1 must hold, got \(1, 0, 0, 1\)"),
        ("a,902,10,20,30,40,12,1\n", r"line 1: corners must be shares of the image from 0 to 1"),
        ("a,902,0,0,1,1,0,1\n", r"line 1: action_id must be an integer from 1, got '0'"),
        ("a,902,0,0,1,1,12,\n", r"line 1: person_id must be a number, got ''"),
        ("a,902,0,0,1,1,13,1\n", r"action 13 is not in the list, whose ids are \[12, 79\]"),
        (f"{CSV}-FL,0902,0,0,1,1,12,0\n", r"line 5: person 0 does action 12 twice at 0902 s"),
        (f"{CSV}-FL,0902,0,0,1,0.9,79,0\n", r"line 5: person 0 has a second, different box at"),
        ("a,1e9,0,0,1,1,12,1\n", r"line 1: frame \d+ is beyond all videos"),
        ("a,1e308,0,0,1,1,12,1\n", r"line 1: frame \d+ is beyond all videos"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, message):
    actions = stored(tmp_path, LIST, "list.pbtxt")
    with pytest.raises(InputError, match=rf"ava\.csv.*{message}"):
        read_ava(stored(tmp_path, text), VIDEO, actions=actions)


def test_a_moment_beyond_the_video_is_refused(tmp_path):
    message = r"line 4: frame 100 is beyond the video, whose 100 frames are 0 to 99"
    with pytest.raises(InputError, match=message):
        read_ava(stored(tmp_path, CSV), VIDEO._replace(num_frames=100))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": None}, r"video v: AVA needs the size of the image and the frame rate"),
        ({"labels": ()}, r"video v, person 0: AVA needs a label"),
        ({"labels": ("run",)}, r"\['run'\] are not in the list of actions, \['stand', 'talk"),
        ({"name": "a,b"}, r"video a,b: this name cannot be a cell"),
    ],
)
def test_what_ava_cannot_hold_is_not_written(tmp_path, changes, message):
    values = {"name": "v", "size_hw": (10, 10), "fps": 25.0, "labels": ("stand",)} | changes
    people = [VideoPeople(tubes=(tube([0], [[0, 0, 1, 1]]),), **values)]
    actions = stored(tmp_path, LIST, "list.pbtxt")
    with pytest.raises(InputError, match=message):
        write_ava(tmp_path / "ava.csv", people, actions=actions)
