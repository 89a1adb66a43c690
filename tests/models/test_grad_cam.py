"""Grad-CAM against the formula on a network whose gradient is known, and on real trunks."""

import pytest
import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.grad_cam import GradCam
from stn_action.models.plug import plug

EXAMPLE = torch.zeros(1, 3, 4, 32, 40)


class Squared(nn.Module):
    """Clips to the mean of the squared stage over space and time: its gradient is 2 U / cells."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv3d(3, 5, (1, 4, 4), stride=(1, 4, 4))
        self.relu = nn.ReLU(inplace=True)  # works in place on what the hook returns

    def forward(self, clip: Tensor) -> Tensor:
        return self.relu(self.map(clip)).square().mean((2, 3, 4))


def test_the_map_is_the_sum_of_channels_weighted_by_their_mean_gradient():
    network = plug(
        Squared(), heads=0, num_classes=4, example=EXAMPLE, branch_classifiers=False, dropout=0.0
    ).eval()
    clip = torch.rand(2, 3, 4, 32, 40)
    classes = torch.tensor([3, 1])
    cam = GradCam(network, "map", EXAMPLE)
    found, activation, cells = cam(clip, classes)
    features = network.trunk.map(clip).detach()  # (B, 5, 4, 8, 10)
    slopes = (
        2 * features.relu() / (4 * 8 * 10) * network.classifier.weight[classes].view(2, 5, 1, 1, 1)
    )
    expected = (slopes.mean((2, 3, 4), keepdim=True) * features).sum(1).detach()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(activation, features.abs().mean(1))
    assert cells.size_thw == (4, 8, 10)
    assert cells.step_thw == (1, 4, 4)
    longer = torch.rand(2, 3, 6, 32, 40)  # than the example
    assert cam(longer, classes).cells.clip_thw == (6, 32, 40)


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_predictions_stay_as_they_are_and_a_frozen_trunk_has_a_map(glimpse):
    network = plug(
        Small3d(), at="stage1", heads=2, num_classes=4, example=EXAMPLE, glimpse=glimpse
    ).eval()
    network.requires_grad_(False)
    clip = torch.rand(2, 3, 4, 32, 40)
    before = network(clip).logits
    found, activation, _ = GradCam(network, "stage1", EXAMPLE)(clip, torch.tensor([0, 2]))
    assert found.shape == activation.shape == (2, 4, 8, 10)
    assert found.abs().max() > 0
    assert torch.equal(network(clip).logits, before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_stage_that_classes_do_not_depend_on_is_refused():
    class Cut(Squared):
        def forward(self, clip: Tensor) -> Tensor:
            with torch.no_grad():
                return super().forward(clip)

    network = plug(Cut(), heads=0, num_classes=4, example=EXAMPLE).eval().requires_grad_(False)
    with pytest.raises(InputError, match="stage 'map': no gradient of the logits reaches it"):
        GradCam(network, "map", EXAMPLE)(torch.rand(1, 3, 4, 32, 40), torch.tensor([0]))
    with pytest.raises(InputError, match="no stage 'mab'"):
        GradCam(network, "mab", EXAMPLE)
