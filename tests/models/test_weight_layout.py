import copy

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.weight_layout import lay_out_trunk
from tests.tiny import tiny_config


@pytest.mark.parametrize(
    ("name", "thw"),
    [
        ("small3d", (4, 32, 32)),
        pytest.param("timm/resnet18", (2, 32, 32), marks=pytest.mark.slow),
        pytest.param("torchvision/r3d_18", (4, 32, 32), marks=pytest.mark.slow),
        pytest.param("pytorchvideo/x3d_xs", (4, 64, 64), marks=pytest.mark.slow),
        pytest.param("torchvision/s3d", (16, 64, 64), marks=pytest.mark.slow),
        pytest.param("torchvision/swin3d_t", (4, 64, 64), marks=pytest.mark.slow),
    ],
)
def test_maps_follow_the_weights_and_are_the_same(name, thw):
    trunk = build_backbone(name).trunk.eval()  # nothing is drawn
    plain = copy.deepcopy(trunk)
    lay_out_trunk(trunk, torch.zeros(1, 3, *thw), "train.channels_last")
    kernels = [weight for weight in trunk.parameters() if weight.dim() in (4, 5)]
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    assert all(one.is_contiguous(memory_format=formats[one.dim()]) for one in kernels)
    maps = []
    first = next(one for one in trunk.modules() if isinstance(one, nn.Conv2d | nn.Conv3d))
    first.register_forward_hook(lambda module, inputs, output: maps.append(output))
    clips = torch.rand(2, 3, *thw)
    found, wanted = trunk(clips), plain(clips)
    assert maps[0].is_contiguous(memory_format=formats[maps[0].dim()])
    torch.testing.assert_close(found, wanted, atol=1e-3 * wanted.abs().max().item(), rtol=1e-3)
    found.square().sum().backward()
    wanted.square().sum().backward()
    gradients = zip(trunk.parameters(), plain.parameters(), strict=True)
    for one, other in ((a.grad, b.grad) for a, b in gradients if a.grad is not None):
        torch.testing.assert_close(one, other, atol=2e-2 * other.abs().max().item(), rtol=1e-2)


class Viewing(nn.Module):
    """A trunk that needs contiguous maps."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(3, 4, 3, padding=1)

    def forward(self, clip):
        return self.convolution(clip).view(clip.shape[0], -1)[:, :4]


def test_a_trunk_that_needs_contiguous_maps_is_left_as_it_is():
    trunk = Viewing()
    weights = trunk.convolution.weight.data
    message = r"^train.channels_last: the trunk does not run .*set train.channels_last=false"
    with pytest.raises(InputError, match=message):
        lay_out_trunk(trunk, torch.zeros(1, 3, 2, 8, 8), "train.channels_last")
    assert trunk.convolution.weight.data_ptr() == weights.data_ptr()


def test_the_layout_is_a_setting_and_no_part_of_the_weights(tiny_data):
    from stn_action.build.model import build_network

    plain, other = (
        build_network(tiny_config(tiny_data, f"train.channels_last={switch}"), 3).eval()
        for switch in ("false", "true")
    )
    other.load_state_dict(plain.state_dict())
    kernel = other.trunk.get_submodule("stage1")
    weights = [one for one in kernel.parameters() if one.dim() == 5]
    assert weights
    assert all(one.is_contiguous(memory_format=torch.channels_last_3d) for one in weights)
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(other(clips).logits, plain(clips).logits, atol=1e-4, rtol=1e-3)
