"""The paper's networks for digits."""

import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec, build_backbone
from stn_action.models.backbones.digit_trunks import FCN_PARAMETERS, SIZES
from stn_action.models.plug import plug


def number_of_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["fcn", "cnn"])
def test_each_network_takes_its_images_and_a_new_classifier(kind, size):
    backbone = build_backbone(f"digits/{kind}_{size}")
    network = plug(
        backbone.trunk, heads=0, num_classes=10, dropout=0.0, branch_classifiers=False,
        example=backbone.spec.example_clip(),
        mean=backbone.spec.mean, std=backbone.spec.std,
    )  # fmt: skip
    side = SIZES[size][0]
    clips = torch.randint(256, (3, 3, 1, side, side), dtype=torch.uint8)
    assert network(clips).logits.shape == (3, 10)
    parameters = number_of_parameters(network)
    if kind == "fcn":
        assert parameters == pytest.approx(FCN_PARAMETERS, rel=0.01)
    else:
        assert 100_000 < parameters < 200_000


def test_the_convolutional_network_has_the_layers_of_the_paper():
    trunk = build_backbone("digits/cnn_28").trunk
    layers = trunk.get_submodule("layers")
    shapes = [tuple(parameter.shape) for parameter in layers.parameters() if parameter.dim() > 1]
    # 28 - 8 = 20, halved 10, - 6 = 4, halved 2: 64 maps of 2 x 2
    assert shapes == [(32, 1, 9, 9), (64, 32, 7, 7), (10, 256)]


def test_images_of_two_channels_are_repeated_for_two_transformers():
    trunk = build_backbone("digits/sum2_cnn_42").trunk
    clip = torch.rand(2, 3, 1, 42, 42)
    maps = torch.cat([clip[:, :2, 0], clip[:, :2, 0]], dim=1)
    torch.testing.assert_close(trunk(clip), trunk.get_submodule("layers")(maps))
    one = build_backbone("digits/sum_cnn_42").trunk
    torch.testing.assert_close(one(clip), one.get_submodule("layers")(clip[:, :2, 0]))


def test_halved_networks_average_over_four_pixels():
    trunk = build_backbone("digits/fcn_42_half").trunk
    clip = torch.rand(2, 3, 1, 42, 42)
    halved = torch.nn.functional.avg_pool2d(clip[:, 0], 2)
    torch.testing.assert_close(trunk(clip), trunk.get_submodule("layers")(halved))


def test_networks_and_clips_that_are_not_there_are_named():
    with pytest.raises(InputError, match="no digits/cnn_29; expected one of digits/fcn_28, "):
        backbone_spec("digits/cnn_29")
    with pytest.raises(ValueError, match="clips must have 1 frame, got 2"):
        build_backbone("digits/cnn_28").trunk(torch.zeros(1, 3, 2, 28, 28))


def test_weights_of_a_file_are_loaded(tmp_path):
    trunk = build_backbone("digits/fcn_28").trunk
    torch.save(trunk.state_dict(), tmp_path / "fcn.pt")
    again = build_backbone("digits/fcn_28", weights=str(tmp_path / "fcn.pt")).trunk
    clip = torch.rand(1, 3, 1, 28, 28)
    assert torch.equal(again(clip), trunk(clip))
