import doctest
from itertools import pairwise

import pytest
import torch

from stn_action.video import indices
from stn_action.video.indices import (
    dense_indices,
    random_dense_indices,
    segment_indices,
    uniform_dense_views,
)


def test_the_examples_in_the_docstrings_hold():
    results = doctest.testmod(indices)
    assert results.attempted >= 9
    assert results.failed == 0


def test_dense_indices_repeat_the_last_frame_of_a_short_video():
    assert dense_indices(3, num_frames=5, stride=2, start=0).tolist() == [0, 2, 2, 2, 2]
    assert dense_indices(1, num_frames=3, stride=4, start=0).tolist() == [0, 0, 0]


def test_random_starts_reach_every_place_that_fits_and_no_other():
    generator = torch.Generator().manual_seed(0)
    starts = [
        int(random_dense_indices(12, num_frames=3, stride=4, generator=generator)[0])
        for _ in range(400)
    ]
    assert {start: starts.count(start) > 60 for start in set(starts)} == {
        0: True,
        1: True,
        2: True,
        3: True,
    }


def test_equal_generators_give_equal_clips():
    clips = [
        random_dense_indices(
            500, num_frames=8, stride=4, generator=torch.Generator().manual_seed(7)
        )
        for _ in range(2)
    ]
    assert torch.equal(*clips)


def test_uniform_views_reach_from_the_first_to_the_last_frame():
    views = uniform_dense_views(300, num_frames=16, stride=4, num_clips=10)
    assert views.shape == (10, 16)
    assert views.dtype == torch.int64
    assert views[0, 0] == 0
    assert views[-1, -1] == 299
    steps = views[1:, 0] - views[:-1, 0]
    assert steps.max() - steps.min() <= 1


def test_one_uniform_view_is_the_middle():
    view = uniform_dense_views(101, num_frames=3, stride=10, num_clips=1)
    assert view.tolist() == [[40, 50, 60]]


@pytest.mark.parametrize(("length", "num_frames"), [(8, 8), (9, 8), (100, 8), (7, 3)])
def test_random_segments_take_one_frame_of_each_segment(length, num_frames):
    generator = torch.Generator().manual_seed(0)
    edges = [length * k // num_frames for k in range(num_frames + 1)]
    seen = [set() for _ in range(num_frames)]
    for _ in range(300):
        chosen = segment_indices(length, num_frames=num_frames, generator=generator).tolist()
        for segment, index in enumerate(chosen):
            assert edges[segment] <= index < edges[segment + 1]
            seen[segment].add(index)
    assert [len(s) for s in seen] == [b - a for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dense_indices(0, num_frames=1, stride=1, start=0), "num_frames_in_video"),
        (lambda: dense_indices(5, num_frames=0, stride=1, start=0), "num_frames must be at least"),
        (lambda: dense_indices(5, num_frames=1, stride=0, start=0), "stride must be at least 1"),
        (lambda: dense_indices(5, num_frames=1, stride=1, start=5), r"start must be in \[0, 5\)"),
        (lambda: dense_indices(5, num_frames=1, stride=1, start=-1), "start must be in"),
        (lambda: random_dense_indices(0, num_frames=1, stride=1), "num_frames_in_video"),
        (lambda: uniform_dense_views(5, num_frames=1, stride=1, num_clips=0), "num_clips"),
        (lambda: segment_indices(5, num_frames=0), "num_frames must be at least 1, got 0"),
    ],
)
def test_impossible_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
