"""Batch norm folded into convolutions: the same maps, and no folding where they would differ."""

import pytest
import torch
from torch import nn

from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.batch_norm_folding import fold_batch_norm, folded_network
from stn_action.models.plug import plug
from stn_action.models.stages import evaluating, stage_output

CLIP = 1, 3, 2, 20, 24


def shaken(trunk: nn.Module) -> nn.Module:
    """Give batch norms statistics and weights as after training."""
    torch.manual_seed(1)
    for part in trunk.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            for tensor in (part.weight.data, part.running_var, part.bias.data, part.running_mean):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
    return trunk


def norms_in(trunk: nn.Module) -> int:
    return sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in trunk.modules())


@pytest.mark.parametrize(
    ("name", "stage", "left"),
    [("small3d", "stage2", 1), ("timm/tf_efficientnet_lite0", "image.blocks.1", 48 - 1 - 2 - 6)],
)  # fmt: skip
def test_the_map_is_the_same_and_the_trunk_as_before(name, stage, left):
    trunk = shaken(build_backbone(name).trunk).train()
    before = norms_in(trunk)
    folded = fold_batch_norm(trunk, stage, torch.zeros(CLIP))
    assert norms_in(trunk) == before
    assert norms_in(folded) == left  # those behind the stage
    assert trunk.training
    clip = torch.randn(2, *CLIP[1:])
    with evaluating(trunk), evaluating(folded):
        wanted, found = (stage_output(one, stage, clip) for one in (trunk, folded))
    assert isinstance(wanted, torch.Tensor)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


class Reused(nn.Module):
    """A convolution whose output is used with and without batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4)
        self.stage = nn.Identity()

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        x = self.convolution(clip)
        return self.stage(x + self.norm(x)).mean((2, 3, 4))


def test_a_convolution_that_is_used_twice_is_left_alone():
    trunk = shaken(Reused())
    assert fold_batch_norm(trunk, "stage", torch.zeros(1, 3, 3, 8, 9)) is trunk


def test_batch_norm_before_a_convolution_stays():
    trunk = nn.Sequential(nn.BatchNorm3d(3), nn.Conv3d(3, 4, 1))
    assert fold_batch_norm(trunk, "1", torch.zeros(1, 3, 3, 8, 9)) is trunk


def test_one_convolution_by_hand():
    """2x + 1, then (y - 3) / 2 * 5 + 7: 5x + 2."""
    trunk = nn.Sequential(nn.Conv3d(1, 1, 1), nn.BatchNorm3d(1, eps=0.0))
    for tensor, value in (
        (trunk[0].weight, 2.0), (trunk[0].bias, 1.0), (trunk[1].running_mean, 3.0),
        (trunk[1].running_var, 4.0), (trunk[1].weight, 5.0), (trunk[1].bias, 7.0),
    ):  # fmt: skip
        nn.init.constant_(tensor, value)
    folded = fold_batch_norm(trunk, "1", torch.zeros(1, 1, 2, 3, 4))
    assert norms_in(folded) == 0
    assert folded[0].weight.item() == pytest.approx(5)  # pyright: ignore[reportIndexIssue]
    assert folded[0].bias.item() == pytest.approx(2)  # pyright: ignore[reportIndexIssue]


def test_a_network_for_evaluation_predicts_the_same_without_batch_norms():
    trunk = build_backbone("timm/tf_efficientnet_lite0").trunk
    example = torch.rand(1, 3, 2, 64, 64)
    network = plug(
        trunk, at="image.blocks.6", heads=2, num_classes=3, glimpse="pooled", example=example
    ).eval()
    folded = folded_network(network, "image.blocks.6", example)
    assert folded is not network
    assert norms_in(folded.trunk) == 0 < norms_in(network.trunk)
    assert folded.classifier is network.classifier
    clips = torch.rand(2, 3, 2, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(folded(clips).logits, network(clips).logits, atol=1e-4, rtol=0)
