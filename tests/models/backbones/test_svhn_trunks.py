"""The paper's networks for house numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import backbone_spec, build_backbone
from stn_action.models.backbones.svhn_trunks import CONVOLUTIONS, SvhnTrunk
from stn_action.models.plug import plug
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import build_optimizer, parameter_groups
from tests.svhn_tree import draw_number, random_numbers

CONV = (
    (3 * 25) * 48 + 48, (48 * 25) * 64 + 64, (64 * 25) * 128 + 128, (128 * 25) * 160 + 160,
    (160 * 25) * 192 + 192, *[(192 * 25) * 192 + 192] * 3,
)  # fmt: skip
"""Parameters of the convolutions."""
DENSE = 3072 * 3072 + 3072


def size_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


def network_of(trunk, *, dropout=0.0, **settings):
    return plug(
        trunk, num_classes=55, dropout=dropout, branch_classifiers=False,
        example=torch.zeros(1, 3, 1, 64, 64), mean=(127.5,) * 3, std=(127.5,) * 3,
        **{"heads": 0, **settings},
    )  # fmt: skip


def numbers(count):
    """Return clips (B, 3, 1, 64, 64) uint8 of numbers, and their digits with nothing behind."""
    draws = np.random.default_rng(0)
    clips, targets = [], []
    for text in random_numbers(draws, count):
        image = torch.from_numpy(draw_number(text, draws)[0]).permute(2, 0, 1)[None].float()
        clips.append(nn.functional.interpolate(image, (64, 64), mode="area").byte())
        targets.append([*map(int, text), *[10] * (5 - len(text))])
    return torch.cat(clips)[:, :, None], torch.tensor(targets)


def test_the_network_has_the_layers_of_the_paper():
    network = network_of(build_backbone("svhn/cnn_64").trunk)
    # four maxima: 64 / 16 = 4, 192 maps of 4 x 4 are 3072 numbers
    assert size_of(network) == sum(CONV) + 3 * DENSE + 3072 * 55 + 55
    assert [filters for filters, _ in CONVOLUTIONS] == [48, 64, 128, 160, 192, 192, 192, 192]
    kernels = {m.kernel_size for m in network.modules() if isinstance(m, nn.Conv2d)}
    assert kernels == {(5, 5)}
    assert sum(isinstance(m, nn.MaxPool2d) for m in network.modules()) == 4
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == 11
    with torch.no_grad():
        clips, _ = numbers(3)
        assert network(clips).logits.shape == (3, 55)


def test_dropout_is_behind_all_layers_but_the_first():
    trunk = SvhnTrunk(64, dropout=0.25)
    kinds = dict(trunk.layers.named_children())
    assert not any(isinstance(layer, nn.Dropout) for layer in kinds["conv1"].modules())
    for name in (*(f"conv{place}" for place in range(2, 9)), "dense1", "dense2"):
        *_, last = kinds[name].children()
        assert isinstance(last, nn.Dropout)
        assert last.p == 0.25
    # behind the last one that of the network is, before its classifier
    assert sum(isinstance(m, nn.Dropout) for m in trunk.modules()) == 9
    rates = {m.p for m in build_backbone("svhn/cnn_64").trunk.modules() if hasattr(m, "p")}
    assert rates == {0.5}


def test_weights_start_so_that_dropout_does_not_blow_up_the_features():
    torch.manual_seed(0)
    for dropout in (0.0, 0.5):
        trunk = SvhnTrunk(64, dropout=dropout)
        for layer in (
            trunk.layers.get_submodule("conv4.0"),
            trunk.layers.get_submodule("dense2.0"),
        ):
            weight = layer.get_parameter("weight")
            expected = 2 * (1 - dropout) / weight[0].numel()
            assert weight.square().mean().item() == pytest.approx(expected, rel=0.02)
            assert not layer.get_parameter("bias").any()


def test_larger_images_have_a_larger_first_dense_layer():
    trunk = build_backbone("svhn/cnn_128").trunk
    assert trunk.get_submodule("layers.dense1.0").weight.shape == (3072, 4 * 3072)
    assert backbone_spec("svhn/cnn_128").example_clip().shape == (1, 3, 1, 128, 128)


def test_four_transformers_stand_before_the_first_convolutions_and_start_as_the_identity():
    trunk = SvhnTrunk(64, num_transformers=4, dropout=0.0).eval()
    names = [name for name, _ in trunk.layers.named_children()]
    assert names[:9] == [
        "transformer1", "conv1", "transformer2", "conv2", "transformer3", "conv3", "transformer4",
        "conv4", "conv5",
    ]  # fmt: skip
    inputs = (3 * 64 * 64, 48 * 32 * 32, 64 * 32 * 32, 128 * 16 * 16)
    own = [m for m in trunk.modules() if isinstance(m, SpatialTransformer)]
    # two layers of 32 units, six numbers of theta
    expected = [(n * 32 + 32) + (32 * 32 + 32) + (32 * 6 + 6) for n in inputs]
    assert [size_of(transformer) for transformer in own] == expected
    plain = SvhnTrunk(64, dropout=0.0).eval()
    plain.load_state_dict(trunk.state_dict(), strict=False)
    clips = torch.rand(2, 3, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(trunk(clips), plain(clips), rtol=1e-3, atol=1e-4)


def test_the_trunks_own_transformers_learn_at_the_relative_rate():
    network = network_of(SvhnTrunk(64, num_transformers=4, dropout=0.0))
    groups = parameter_groups(network, lr=0.005, relative_lr=0.1, weight_decay=5e-4)
    by_name = {group["name"]: group for group in groups}
    moving = by_name["localization"]
    assert (moving["lr"], moving["weight_decay"], moving["gain"]) == (5e-4, 0.0, 1.0)
    assert sum(p.numel() for p in moving["params"]) == sum(
        size_of(m) for m in network.modules() if isinstance(m, SpatialTransformer)
    )
    optimizer, loss = build_optimizer("sgd", groups, momentum=0.9), ClassificationLoss()
    clips, target = numbers(8)
    losses = []
    for _ in range(6):
        value = loss(network(clips), target)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value.detach()))
    # at the start each of five positions has a cross-entropy of about log 11
    assert losses[-1] < 0.6 * losses[0]
    last = network.trunk.get_parameter("layers.transformer1.heads.localization.layers.5.weight")
    assert last.abs().max() > 0  # it started at zero


def test_one_transformer_in_line_lowers_the_loss_too():
    network = network_of(
        SvhnTrunk(64, dropout=0.0), at="input", heads=1, glimpse="in_line", transform="affine",
        bounded=False, localization="svhn", detach=False, motion=False, sampler="grid",
    )  # fmt: skip
    groups = parameter_groups(network, lr=0.005, relative_lr=0.1, weight_decay=5e-4)
    optimizer, loss = build_optimizer("sgd", groups, momentum=0.9), ClassificationLoss()
    clips, target = numbers(8)
    losses = []
    for _ in range(6):
        prediction = network(clips)
        value = loss(prediction, target)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value.detach()))
    assert losses[-1] < 0.6 * losses[0]
    (focus,) = prediction.focus
    assert focus.theta.shape == (8, 1, 1, 2, 3)
    assert (focus.theta - torch.eye(2, 3)).abs().max() > 0


def test_networks_and_clips_that_are_not_there_are_named():
    with pytest.raises(
        InputError, match="no svhn/cnn_32; expected one of svhn/cnn_64, svhn/cnn_12"
    ):
        backbone_spec("svhn/cnn_32")
    with pytest.raises(InputError, match="no svhn/fcn_64; expected one of"):
        backbone_spec("svhn/fcn_64")
    with pytest.raises(ValueError, match="clips must have 1 frame, got 2"):
        SvhnTrunk(64)(torch.zeros(1, 3, 2, 64, 64))


def test_weights_of_a_file_are_loaded(tmp_path):
    trunk = build_backbone("svhn/cnn_64").trunk.eval()
    torch.save(trunk.state_dict(), tmp_path / "cnn.pt")
    again = build_backbone("svhn/cnn_64", weights=str(tmp_path / "cnn.pt")).trunk.eval()
    clip = torch.rand(1, 3, 1, 64, 64)
    assert torch.equal(again(clip), trunk(clip))
