import pytest
import torch

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.models.prediction import Focus
from stn_action.training.regularizers import DiversityLoss, InBoundsLoss

CELLS = Cells.centered((1, 8, 8), (1, 8, 8))


def focus(theta, base=None):
    """Of theta (B, K, S, *kind)."""
    return Focus(theta, theta[0, :, 0] if base is None else base, "map", CELLS)


def windows(*boxes, name="affine"):
    """Heads on these boxes, xyxy, of one clip."""
    theta = build_transform(name, len(boxes)).from_boxes(torch.tensor(boxes))
    return theta[None, :, None].clone().requires_grad_()


def test_overlap_by_hand():
    # areas 4 and 2, shared 1: BC^2 = 1 / 8
    theta = windows([-1.0, -1, 1, 1], [0.0, 0, 1, 2])
    torch.testing.assert_close(DiversityLoss(2.0)(focus(theta)), torch.tensor(2 / 8))


def test_the_overlap_is_the_mean_over_pairs_clips_and_steps():
    same, apart = [-1.0, -1, 0, 0], [0.0, 0, 1, 1]
    theta = windows(same, same, apart)
    torch.testing.assert_close(DiversityLoss(1.0)(focus(theta)), torch.tensor(1 / 3))
    other = windows(same, apart, [0.0, -1, 1, 0])
    both = torch.cat([theta, other])
    torch.testing.assert_close(DiversityLoss(1.0)(focus(both)), torch.tensor(1 / 6))


def test_a_single_head_overlaps_nothing():
    theta = windows([-1.0, -1, 0, 0])
    loss = DiversityLoss(1.0)(focus(theta))
    loss.backward()
    assert loss == 0
    assert theta.grad.abs().max() == 0


def test_descending_the_overlap_drives_heads_apart():
    theta = windows([-0.6, -0.5, 0.4, 0.5], [-0.4, -0.5, 0.6, 0.5])
    DiversityLoss(1.0)(focus(theta)).backward()
    shift = -theta.grad[0, :, 0, 0, 2]
    assert shift[0] < 0 < shift[1]


def test_what_lies_beyond_the_map_is_squared_and_averaged():
    theta = windows([-1.5, -0.2, 0.5, 0.9], [-1.0, -1, 1, 1.2])
    expected = torch.tensor((0.5**2 + 0.2**2) / 8)
    torch.testing.assert_close(InBoundsLoss(1.0)(focus(theta)), expected)


def test_descending_the_in_bounds_loss_brings_a_window_back():
    theta = windows([0.5, -0.5, 1.5, 0.5])
    InBoundsLoss(1.0)(focus(theta)).backward()
    assert theta.grad[0, 0, 0, 0, 2] > 0
    assert theta.grad[0, 0, 0, 1, 2] == 0


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_family_has_a_finite_gradient(name):
    transform = build_transform(name, 3, bounded=False)
    raw = (0.3 * torch.randn(2, 1, 3, transform.num_parameters)).requires_grad_()
    theta = transform.build(raw).transpose(1, 2)
    (DiversityLoss(1.0)(focus(theta)) + InBoundsLoss(1.0)(focus(theta))).backward()
    assert raw.grad.isfinite().all()
    assert raw.grad.abs().max() > 0


@pytest.mark.parametrize("loss", [DiversityLoss, InBoundsLoss])
def test_a_negative_weight_is_refused(loss):
    with pytest.raises(InputError, match="weight of a loss must be at least 0, got -1"):
        loss(-1)
