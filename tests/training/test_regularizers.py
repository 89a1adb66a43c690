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
    # x: distance 0.5 of half-widths 1 + 0.5, 1 - 1 / 3; y: distance 1 of 1 + 1, 1 - 1 / 2
    theta = windows([-1.0, -1, 1, 1], [0.0, 0, 1, 2])
    torch.testing.assert_close(DiversityLoss(2.0)(focus(theta)), torch.tensor(2 / 9))


def test_windows_of_one_size_have_the_overlap_of_the_bhattacharyya_coefficient():
    # half-widths 0.5 and 0.4; shared 0.7 x 0.6 of areas 1 x 0.8
    theta = windows([-0.5, -0.4, 0.5, 0.4], [-0.2, -0.2, 0.8, 0.6])
    expected = torch.tensor((0.7 * 0.6 / (1 * 0.8)) ** 2)
    torch.testing.assert_close(DiversityLoss(1.0)(focus(theta)), expected, atol=1e-4, rtol=0)


def apart(theta, base):
    """The descent direction of the distance between two heads' centers, x and y."""
    DiversityLoss(1.0)(focus(theta, base)).backward()
    push = -theta.grad[0, :, 0, :, 2]
    return push[1] - push[0]


STARTS = windows([-1.0, -1, 0, 0], [0.0, 0, 1, 1]).detach()[0, :, 0]


@pytest.mark.parametrize("base", [STARTS, STARTS[None]], ids=["one base", "a base for each clip"])
def test_windows_that_coincide_are_driven_apart_toward_their_starts(base):
    theta = windows([-0.3, -0.4, 0.5, 0.6], [-0.3, -0.4, 0.5, 0.6])
    assert apart(theta, base).min() > 1


def test_a_window_inside_another_one_is_driven_out_and_has_no_gain_from_shrinking_alone():
    theta = windows([-0.6, -0.6, 0.6, 0.6], [-0.3, -0.1, 0.1, 0.3])  # left of and below the middle
    push = apart(theta, STARTS)
    assert push[0] < -0.5
    assert push[1] > 0.5
    concentric = DiversityLoss(1.0)(focus(windows([-0.6, -0.6, 0.6, 0.6], [-0.2, -0.2, 0.2, 0.2])))
    torch.testing.assert_close(concentric, torch.tensor(1.0))


def test_four_copies_of_one_window_are_driven_to_places_of_their_own():
    transform = build_transform("attention", 4)
    raw = torch.zeros(1, 1, 4, 3)
    raw[..., 1:] = torch.randn(2)
    raw[..., 1:] -= transform.raw_of(torch.full((4, 2), 0.5), transform.base[..., 2])[..., 1:]
    raw.requires_grad_()
    for _ in range(60):
        theta = transform.build(raw).transpose(1, 2)
        (slope,) = torch.autograd.grad(DiversityLoss(1.0)(focus(theta, transform.base)), raw)
        raw = (raw - 0.3 * slope).detach().requires_grad_()
    remaining = DiversityLoss(1.0)(focus(transform.build(raw).transpose(1, 2), transform.base))
    assert remaining < 0.05


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


def test_a_readout_without_windows_that_learn_is_refused():
    cells = Cells.centered((1, 2, 2), (1, 8, 8))
    weights = Focus(None, None, "layer3", cells, weights=torch.full((1, 3, 1, 2, 2), 0.25))
    with pytest.raises(ValueError, match="the diversity loss is for windows that learn"):
        DiversityLoss()(weights)
    with pytest.raises(ValueError, match="needs the theta of windows, but the read-out has weig"):
        InBoundsLoss()(weights)
    with pytest.raises(ValueError, match="a focus has either theta or weights"):
        Focus(None, None, "layer3", cells)
