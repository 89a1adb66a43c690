"""Windows to moments to segments."""

import pytest
import torch

from stn_action.evaluation.segments import Segment, SegmentJoiner


def at_each_frame(windows, span, length):
    """A slow reference: {frame: mean of the windows that cover it}."""
    found = {}
    for frame in range(length):
        covering = [values for start, values in windows if start <= frame < start + span]
        if covering:
            found[frame] = torch.tensor(covering).mean(0)
    return found


def test_moments_are_the_mean_of_the_windows_that_cover_them():
    joiner = SegmentJoiner(span=10)
    joiner.add(0, torch.tensor([0.8, 0.2]))
    joiner.add(6, torch.tensor([0.1, 0.9]))
    segments = joiner.close()
    assert [one[:3] for one in segments] == [(0, 0, 6), (1, 6, 16)]
    assert segments[0].probability == pytest.approx(0.8)
    assert segments[1].probability == pytest.approx((0.55 * 4 + 0.9 * 6) / 10)


def test_settling_step_by_step_gives_what_one_pass_gives():
    generator = torch.Generator().manual_seed(3)
    starts = [4, 8, 12, 16, 20, 40, 43]
    windows = [(start, torch.rand(3, generator=generator).tolist()) for start in starts]
    steps, once = SegmentJoiner(span=9), SegmentJoiner(span=9)
    found: list[Segment] = []
    for start, values in windows:
        found += steps.settle(start)
        steps.add(start, torch.tensor(values))
        once.add(start, torch.tensor(values))
    found += steps.close()
    assert [one[:3] for one in found] == [one[:3] for one in once.close()]
    reference = at_each_frame(windows, 9, 60)
    shown = {frame: one.label for one in found for frame in range(one.start, one.end)}
    assert shown == {frame: int(values.argmax()) for frame, values in reference.items()}
    for one in found:
        mean = torch.stack([reference[frame] for frame in range(one.start, one.end)]).mean(0)
        assert one.probability == pytest.approx(float(mean[one.label]), abs=1e-6)


def test_frames_that_no_window_covers_are_of_no_segment():
    joiner = SegmentJoiner(span=4)
    joiner.add(2, torch.tensor([1.0, 0.0]))
    joiner.add(9, torch.tensor([1.0, 0.0]))
    assert joiner.close() == [Segment(0, 2, 6, 1.0), Segment(0, 9, 13, 1.0)]


def test_several_labels_have_segments_of_their_own():
    joiner = SegmentJoiner(span=4, multi_label=True)
    joiner.add(0, torch.tensor([0.9, 0.6, 0.2]))
    joiner.add(4, torch.tensor([0.9, 0.4, 0.3]))
    joiner.add(8, torch.tensor([0.1, 0.1, 0.1]))
    assert [one[:3] for one in joiner.close()] == [(1, 0, 4), (0, 0, 8)]


def test_without_windows_there_is_no_segment():
    joiner = SegmentJoiner(span=4)
    assert joiner.settle(100) == []
    assert joiner.close() == []
