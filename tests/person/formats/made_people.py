"""People made up by hypothesis, and their comparison."""

import torch
from hypothesis import strategies as st

from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople

NAMES = st.text("abcXYZ019_ü", min_size=1, max_size=6)
COORDINATE = st.floats(-50, 4000, width=32)
EXTENT = st.floats(0.125, 2000, width=32)


def tube(frames: list[int], boxes: list[list[float]], scores: list[float] | None = None) -> Tube:
    return Tube(
        torch.tensor(frames),
        torch.tensor(boxes, dtype=torch.float32),
        torch.ones(len(frames)) if scores is None else torch.tensor(scores),
    )


@st.composite
def tubes(draw, num_frames: int = 1000) -> Tube:
    frames = sorted(draw(st.sets(st.integers(0, num_frames - 1), min_size=1, max_size=5)))
    boxes = []
    for _ in frames:
        x, y = draw(COORDINATE), draw(COORDINATE)
        boxes.append([x, y, x + draw(EXTENT), y + draw(EXTENT)])
    scores = [draw(st.floats(0, 1, width=32)) for _ in frames]
    return tube(frames, boxes, scores)


@st.composite
def videos(
    draw, max_persons: int = 3, min_persons: int = 0, labels: st.SearchStrategy | None = None
) -> list[VideoPeople]:
    """Videos with different names, in which everything is known."""
    made = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        persons = draw(st.lists(tubes(), min_size=min_persons, max_size=max_persons))
        made.append(
            VideoPeople(
                f"folder/{name}",
                tuple(persons),
                size_hw=(draw(st.integers(1, 3000)), draw(st.integers(1, 3000))),
                num_frames=1000,
                fps=draw(st.sampled_from([1.0, 25.0, 30000 / 1001])),
                labels=() if labels is None else tuple(draw(labels) for _ in persons),
            )
        )
    return made


def assert_same(read, written, *, told: bool = True, scores: bool = True) -> None:
    """Compare videos by name; frames exactly, boxes to 1e-4 pixels."""
    ours, theirs = ({video.name: video for video in group} for group in (read, written))
    assert ours.keys() == theirs.keys()
    for name, video in theirs.items():
        other = ours[name]
        if told:
            assert (other.size_hw, other.num_frames) == (video.size_hw, video.num_frames)
            assert other.fps == video.fps
        assert len(other.tubes) == len(video.tubes)
        for one, two in zip(other.tubes, video.tubes, strict=True):
            assert torch.equal(one.frame_indices, two.frame_indices)
            torch.testing.assert_close(one.boxes, two.boxes, rtol=0, atol=1e-4)
            if scores:
                assert torch.equal(one.scores, two.scores)
