"""Scores of weight maps on cases whose answer is known, beside those of windows."""

import pytest
import torch
from torch import Tensor

from stn_action.evaluation.attention import TargetScores, score_targets
from stn_action.evaluation.places import WeightPlaces, WindowPlaces
from stn_action.geometry.cells import Cells
from stn_action.geometry.outlines import clip_outlines
from stn_action.geometry.theta import theta_from_boxes
from tests.geometry.examples import weights_of_boxes

N, T, H, W = 40, 4, 4, 6
CELLS = Cells.centered((2, H, W), (T, 32, 48))


def score(weights: Tensor, centers: Tensor, cells: Cells = CELLS, seed: int = 0) -> TargetScores:
    generator = torch.Generator().manual_seed(seed)
    return score_targets(WeightPlaces(weights, cells), centers, generator=generator)


def middles(rows: Tensor, columns: Tensor) -> Tensor:
    """The middles (..., 2) of cells, normalized on the clip."""
    return torch.stack([(2 * columns + 1) / W - 1, (2 * rows + 1) / H - 1], dim=-1)


def peaks(rows: Tensor, columns: Tensor, mass: float = 0.6) -> Tensor:
    """Maps (..., H, W) with `mass` in one cell and the rest spread over the others."""
    weights = torch.full((*rows.shape, H * W), (1 - mass) / (H * W - 1))
    weights.scatter_(-1, (rows * W + columns)[..., None], mass)
    return weights.unflatten(-1, (H, W))


def test_weights_that_follow_the_region_hit_always_and_their_shuffle_as_often_as_chance():
    rows, columns = torch.randint(H, (N, 2)), torch.randint(W, (N, 2))  # one cell per step
    centers = middles(rows, columns)[:, [0, 0, 1, 1]]
    scores = score(peaks(rows, columns)[:, None], centers)
    assert scores.hit.tolist() == [1.0, 1.0]
    assert scores.area.tolist() == pytest.approx([1 / 24] * 2)
    assert scores.shuffled[0] < 0.15
    assert scores.random[0].item() == pytest.approx(1 / 24, abs=0.03)
    # entropy: 0.6 ln(1/0.6) + 23 * (0.4/23) ln(23/0.4)
    entropy = -0.6 * torch.tensor(0.6).log() - 0.4 * torch.tensor(0.4 / 23).log()
    assert scores.effective[0].item() == pytest.approx(entropy.exp().item() / 24, rel=1e-5)
    assert scores.num_frames == N * T


def test_weights_that_never_move_equal_their_own_shuffle():
    rows, columns = torch.randint(H, (N, 1)), torch.randint(W, (N, 1))
    fixed = peaks(torch.tensor([[1]]), torch.tensor([[2]]))[:, None].expand(N, 1, 1, H, W)
    scores = score(fixed, middles(rows, columns).expand(N, T, 2))
    torch.testing.assert_close(scores.shuffled, scores.hit)


def test_equal_weights_are_everywhere():
    scores = score(torch.full((3, 1, 1, H, W), 1 / 24), torch.rand(3, T, 2) * 2 - 1)
    for values in (scores.hit, scores.area, scores.effective, scores.shuffled, scores.random):
        torch.testing.assert_close(values, torch.ones_like(values))


def test_the_union_holds_what_any_head_does_and_areas_count_once():
    rows, columns = torch.tensor([[0, 1, 1]]), torch.tensor([[0, 3, 3]])  # two heads alike
    weights = peaks(rows, columns, mass=1.0).unsqueeze(2)  # (1, 3, 1, H, W)
    centers = middles(torch.tensor([0, 1, 2, 1]), torch.tensor([0, 3, 3, 0]))[None]
    scores = score(weights, centers)
    assert scores.hit.tolist() == [0.25, 0.25, 0.25, 0.5]
    assert scores.area.tolist() == pytest.approx([1 / 24, 1 / 24, 1 / 24, 2 / 24])
    # the mean of the three heads has shares 1/3 and 2/3 in two cells
    mixed = 3 / 2 ** (2 / 3)
    assert scores.effective.tolist() == pytest.approx([1 / 24, 1 / 24, 1 / 24, mixed / 24])


def test_the_weights_of_a_window_score_as_the_window():
    """Windows of whole cells, and equal weights in these cells."""
    left, top = torch.randint(W - 1, (N,)), torch.randint(H - 1, (N,))
    edges = torch.stack([2 * left / W - 1, 2 * top / H - 1], -1).float()
    boxes = torch.cat([edges, edges + torch.tensor([4 / W, 4 / H])], dim=-1)
    theta = theta_from_boxes(boxes)[:, None, None]
    centers = torch.rand(N, T, 2) * 2 - 1
    of_weights = score(weights_of_boxes(boxes[:, None, None], (H, W)), centers)
    generator = torch.Generator().manual_seed(0)
    outlines = clip_outlines(theta, CELLS)
    of_windows = score_targets(WindowPlaces(outlines), centers, generator=generator)
    assert torch.equal(of_weights.hit, of_windows.hit)
    torch.testing.assert_close(of_weights.area[0], of_windows.area[0])
    torch.testing.assert_close(of_weights.effective[0], of_windows.effective[0], rtol=1e-5, atol=0)
    torch.testing.assert_close(of_weights.shuffled, of_windows.shuffled)


def test_cells_are_where_the_stage_puts_them_and_end_at_the_clip():
    # Cells of 16 x 16 pixels centered at pixels 0, 16, 32: the first reaches 8 beyond the clip.
    cells = Cells((1, 1, 3), (T, 16, 40), (1.5, 7.5, 0.0), (4.0, 16.0, 16.0))
    weights = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 1, 1, 3)
    x = torch.tensor([0.0, 7.9, 8.1, -1.0])  # pixels
    centers = torch.stack([(2 * x + 1) / 40 - 1, torch.zeros(4)], dim=-1)[None]
    scores = score(weights, centers, cells)
    assert scores.hit[0] == 0.5  # the third is in the next cell, the last beyond the clip
    assert scores.area[0].item() == pytest.approx(8.5 / 40)


def test_a_random_shift_keeps_the_area_and_each_step_together():
    weights = torch.rand(5, 2, 2, H, W)
    weights[:, :, 1] = weights[:, :, 0]
    places = WeightPlaces(weights, CELLS)
    moved = places.anywhere(torch.Generator().manual_seed(1))
    assert torch.equal(moved.sets.sum((-2, -1)), places.sets.sum((-2, -1)))
    assert torch.equal(moved.sets[:, :, 0], moved.sets[:, :, 1])
    assert not torch.equal(moved.sets, places.sets)
    assert torch.equal(WeightPlaces(moved.weights, CELLS).sets, moved.sets)
    known = torch.ones(5, T, dtype=torch.bool)
    torch.testing.assert_close(moved.areas(known)[1][:2], places.areas(known)[1][:2])


def test_frames_without_a_region_are_left_out():
    rows, columns = torch.zeros(2, 2).long(), torch.tensor([[0, 5], [0, 5]])
    centers = middles(torch.zeros(2, T), torch.zeros(2, T))
    centers[:, 2:] = torch.nan
    scores = score(peaks(rows, columns, mass=1.0)[:, None], centers)
    assert scores.num_frames == 4
    assert scores.hit[0] == 1
