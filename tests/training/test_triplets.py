"""Training of a transformer that finds what images have in common."""

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.theta import window_theta
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.training.triplets import (
    ColocalizationSchedule,
    colocalize,
    predicted_boxes,
    random_crops,
    triplet_loss,
)


def transformer(**settings):
    return SpatialTransformer(
        1, "attention", (4, 4), bounded=True, start_scale=0.5, localization="grid", **settings
    )


def test_the_loss_is_the_mean_hinge_of_ordered_pairs():
    windows, randoms = torch.randn(4, 6), torch.randn(4, 6)
    hinges = [
        max(
            0.0,
            float(
                (windows[n] - windows[m]).square().sum()
                - (windows[n] - randoms[n]).square().sum()
                + 2
            ),
        )
        for n in range(4)
        for m in range(4)
        if m != n
    ]
    assert float(triplet_loss(windows, randoms, 2.0)) == pytest.approx(sum(hinges) / 12, rel=1e-5)


def test_the_other_window_has_no_gradient():
    windows = torch.tensor([[0.0, 0], [1, 0]], requires_grad=True)
    randoms = torch.tensor([[0.0, 3], [1, 0]])
    triplet_loss(windows, randoms, 1.0).backward()  # the first pair is satisfied
    assert windows.grad is not None
    torch.testing.assert_close(windows.grad, torch.tensor([[0.0, 0], [1, 0]]))


def test_one_image_has_no_other_to_compare_with():
    with pytest.raises(ValueError, match=r"B at least 2, got \(1, 3\) and \(1, 3\)"):
        triplet_loss(torch.zeros(1, 3), torch.zeros(1, 3), 1.0)
    with pytest.raises(InputError, match="at least 2 images, got 1"):
        next(
            colocalize(
                transformer(), nn.Flatten(), torch.rand(1, 1, 8, 8), ColocalizationSchedule()
            )
        )
    with pytest.raises(InputError, match="at least 1 step and 2 images in a batch, got 0 and 1"):
        ColocalizationSchedule(steps=0, batch_size=1)


def test_random_crops_are_as_large_as_the_window_and_inside_the_image():
    ramp = torch.arange(80.0).expand(300, 1, 40, 80)  # the pixel's column
    theta = window_theta(torch.tensor([0.25, 0.5]), torch.tensor([0.7, 0.0])).expand(300, 2, 3)
    generator = torch.Generator().manual_seed(0)
    crops = random_crops(ramp, theta, (4, 4), generator=generator)
    assert crops.shape == (300, 1, 4, 4)
    torch.testing.assert_close(crops[..., 3] - crops[..., 0], torch.full((300, 1, 4), 15.0))
    centers = crops.mean((1, 2, 3))
    assert float(centers.min()) >= 9.5 - 1e-3
    assert float(centers.max()) <= 69.5 + 1e-3
    assert float(centers.min()) < 12
    assert float(centers.max()) > 67


def test_boxes_are_the_windows_in_pixels():
    network = transformer().train()
    boxes = predicted_boxes(network, torch.rand(5, 1, 8, 16), batch_size=2)
    torch.testing.assert_close(boxes, torch.tensor([[4.0, 2, 12, 6]]).expand(5, 4))
    assert network.training


def test_training_moves_windows_and_repeats_itself():
    images = torch.rand(6, 1, 12, 12)
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        network = transformer()
        generator = torch.Generator().manual_seed(1)
        schedule = ColocalizationSchedule(steps=3, batch_size=4)
        losses = list(colocalize(network, nn.Flatten(), images, schedule, generator=generator))
        runs.append((losses, predicted_boxes(network, images)))
    assert len(runs[0][0]) == 3
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][1][0], runs[0][1][1])


def test_a_loss_that_is_not_finite_ends_training():
    images = torch.full((3, 1, 8, 8), torch.inf)
    with pytest.raises(InputError, match="not finite; lower the learning rate"):
        next(colocalize(transformer(), nn.Flatten(), images, ColocalizationSchedule()))
