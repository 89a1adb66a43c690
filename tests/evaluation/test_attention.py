"""Attention scores on cases whose answer is known."""

import pytest
import torch
from torch import Tensor

from stn_action.evaluation.attention import TargetScores, score_targets
from stn_action.evaluation.places import WindowPlaces

N, T = 40, 5


def windows(centers: Tensor, half_width: float, half_height: float) -> Tensor:
    """Axis-aligned windows (..., 4, 2) about centers (..., 2)."""
    signs = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    return centers[..., None, :] + signs * torch.tensor([half_width, half_height])


def centers() -> Tensor:
    return torch.rand(N, T, 2) * 1.4 - 0.7


def score(outlines: Tensor, places: Tensor, seed: int = 0, repeats: int = 20) -> TargetScores:
    generator = torch.Generator().manual_seed(seed)
    return score_targets(WindowPlaces(outlines), places, generator=generator, repeats=repeats)


def test_a_head_that_follows_the_region_hits_always_and_its_shuffle_rarely():
    places = centers()
    scores = score(windows(places, 0.2, 0.3)[:, :, None], places)
    assert scores.hit.tolist() == [1.0, 1.0]
    torch.testing.assert_close(scores.area[0].item(), 0.06)
    assert scores.shuffled[0] < 0.25
    assert scores.random[0] < 0.25
    assert scores.num_frames == N * T


def test_a_head_that_never_moves_equals_its_own_shuffle():
    places = centers()
    fixed = windows(torch.tensor([0.3, -0.2]), 0.4, 0.5).expand(N, T, 1, 4, 2)
    scores = score(fixed, places)
    assert 0 < scores.hit[0] < 1
    torch.testing.assert_close(scores.shuffled, scores.hit)


def test_the_union_hits_when_any_head_does():
    places = torch.tensor([[[-0.5, 0.0], [0.5, 0.0], [0.0, 0.9], [0.5, 0.1]]])
    heads = torch.stack(
        [windows(torch.tensor([x, 0.0]), 0.5, 0.25).expand(1, 4, 4, 2) for x in (-0.5, 0.5)], dim=2
    )
    scores = score(heads, places)
    assert scores.hit.tolist() == [0.25, 0.5, 0.75]
    assert scores.area.tolist() == scores.effective.tolist() == [0.125, 0.125, 0.25]


def test_overlapping_windows_are_counted_once_in_the_union():
    places = torch.zeros(2, 3, 2)
    same = windows(torch.zeros(2, 3, 2, 2), 0.5, 0.25)
    scores = score(same, places)
    assert scores.area.tolist() == [0.125, 0.125, 0.125]


def test_a_random_window_hits_the_middle_as_often_as_its_size_tells():
    # A window of half sides 0.5 and 0.25 has its center anywhere in +-0.5 and +-0.75: the clip's
    # center is inside with probability (0.5 / 0.5) * (0.25 / 0.75).
    places = torch.zeros(500, 1, 2)
    far = windows(torch.tensor([0.5, -0.75]), 0.5, 0.25).expand(500, 1, 1, 4, 2)
    scores = score(far, places)
    assert scores.hit[0] == 0
    assert scores.random[0].item() == pytest.approx(1 / 3, abs=0.02)


def test_what_sticks_out_of_the_clip_counts_neither_as_area_nor_as_hit():
    places = torch.tensor([[[1.2, 0.0], [0.9, 0.0]]])
    outward = windows(torch.tensor([1.0, 0.0]), 0.5, 0.5).expand(1, 2, 1, 4, 2)
    scores = score(outward, places)
    assert scores.hit[0] == 0.5
    torch.testing.assert_close(scores.area[0].item(), 0.125)


def test_frames_without_a_region_are_left_out():
    places = torch.zeros(2, 3, 2)
    places[0, 1:] = torch.nan
    outlines = windows(torch.zeros(2, 3, 1, 2), 0.5, 0.5)
    outlines[0, 1:] += 9
    scores = score(outlines, places)
    assert scores.num_frames == 4
    assert scores.hit[0] == 1
    assert scores.area[0] == 0.25


def test_a_frame_that_a_head_does_not_see_is_a_miss_and_covers_nothing():
    places = torch.zeros(3, 4, 2)
    outlines = windows(torch.zeros(3, 4, 1, 2), 0.5, 0.5)[..., [0, 1, 2, 3, 3, 3], :]
    outlines[:, 1:] = 0
    scores = score(outlines, places)
    assert scores.hit.tolist() == [0.25, 0.25]
    assert scores.area.tolist() == [0.0625, 0.0625]
    assert scores.shuffled.tolist() == [0.25, 0.25]
    assert scores.random[0] <= 0.25


def test_a_curved_window_is_scored_by_what_it_holds():
    """A crescent: a square without the triangle from its lower edge up to (0, -0.4)."""
    crescent = torch.tensor(
        [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [0.0, -0.4], [-0.5, 0.5]]
    ).expand(1, 2, 1, 5, 2)
    scores = score(crescent, torch.tensor([[[0.0, 0.0], [0.0, -0.45]]]))
    assert scores.hit.tolist() == [0.5, 0.5]
    torch.testing.assert_close(scores.area[0].item(), (1 - 0.45) / 4)
    torch.testing.assert_close(scores.area[1].item(), (1 - 0.45) / 4, atol=2e-3, rtol=0)


def test_every_video_gets_the_windows_of_another():
    places = torch.tensor([[-0.5, 0.0], [0.5, 0.0]])[:, None].expand(2, T, 2)
    scores = score(windows(places, 0.2, 0.2)[:, :, None], places, repeats=3)
    assert scores.hit[0] == 1
    assert scores.shuffled[0] == 0


def test_a_single_video_has_no_shuffle():
    scores = score(windows(torch.zeros(1, T, 1, 2), 0.5, 0.5), torch.zeros(1, T, 2))
    assert scores.shuffled.isnan().all()


def test_the_generator_alone_decides():
    places = centers()
    outlines = windows(places.roll(1, 0), 0.3, 0.3)[:, :, None]
    first, again, other = (
        score(outlines, places),
        score(outlines, places),
        score(outlines, places, seed=1),
    )
    assert torch.equal(first.random, again.random)
    assert torch.equal(first.shuffled, again.shuffled)
    assert not torch.equal(first.random, other.random)


def test_the_table_has_a_row_for_each_head_and_for_any():
    places = centers()
    outlines = torch.stack([windows(places, 0.2, 0.2), windows(places + 5, 0.2, 0.2)], dim=2)
    table = score(outlines, places).table()
    assert list(table) == ["head 1", "head 2", "any head"]
    assert list(table["head 1"]) == ["hit", "area", "effective_area", "shuffled", "random"]
    assert [row["hit"] for row in table.values()] == [1.0, 0.0, 1.0]


def test_other_shapes_and_empty_truth_are_refused():
    outlines = windows(torch.zeros(2, 3, 1, 2), 0.5, 0.5)
    with pytest.raises(ValueError, match=r"outlines must be \(N, T, K, P, 2\), got \(3, 1, 4, 2\)"):
        score(outlines[0], torch.zeros(2, 3, 2))
    with pytest.raises(ValueError, match=r"centers must be \(2, 3, 2\) as places, got \(2, 2, 2\)"):
        score(outlines, torch.zeros(2, 2, 2))
    with pytest.raises(ValueError, match="no frame has a target region"):
        score(outlines, torch.full((2, 3, 2), torch.nan))
