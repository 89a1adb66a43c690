import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.windows import Translation
from stn_action.models.glimpse_network import GlimpseNetwork
from stn_action.models.heads import FocusHeads
from stn_action.training.optim import parameter_groups


def description():
    return nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def network(num_heads=2, describe=None, **settings):
    trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
    heads = FocusHeads(8, Translation(num_heads), detach=False, motion=False)
    return GlimpseNetwork(
        trunk, heads, description() if describe is None else describe, num_features=6,
        num_classes=4, glimpse_size=(16, 12), **settings,
    )  # fmt: skip


def test_windows_of_half_the_image_start_on_a_tiling():
    model = network()
    (focus,) = model(torch.rand(5, 3, 40, 32)).focus
    assert focus.theta.shape == (5, 2, 1, 2, 3)
    expected = torch.tensor([[[0.5, 0, -0.4], [0, 0.5, 0]], [[0.5, 0, 0.4], [0, 0.5, 0]]])
    torch.testing.assert_close(focus.theta[:, :, 0], expected.expand(5, -1, -1, -1))
    assert focus.stage == "input"
    assert focus.cells.first_thw == (0, 0, 0)


def test_a_shared_description_sees_every_glimpse_of_the_large_image():
    model = network(trunk_size=(20, 16))
    images = torch.rand(5, 3, 40, 32)
    prediction = model(images)
    glimpses = model.heads.glimpses(
        images.unsqueeze(2), prediction.focus[0].theta, (16, 12)
    ).squeeze(3)
    described = [model.describe[0](glimpses[:, head]) for head in range(2)]
    torch.testing.assert_close(prediction.logits, model.classifier(torch.cat(described, 1)))


def test_each_head_may_have_a_description_of_its_own():
    model = network(describe=[description(), description()])
    images = torch.rand(5, 3, 40, 32)
    before = model(images).logits
    with torch.no_grad():
        model.describe[1][0].bias.add_(1)
    after = model(images).logits
    assert (after - before).abs().max() > 0.01
    contribution = model.classifier.weight[:, 6:].abs().sum()
    assert contribution > 0
    with torch.no_grad():
        model.classifier.weight[:, 6:] = 0
        first_only = model(images).logits
        model.describe[1][0].bias.add_(1)
    torch.testing.assert_close(model(images).logits, first_only)


def test_one_localization_network_serves_all_heads_and_learns_at_its_own_rate():
    model = network(4)
    groups = parameter_groups(model, lr=0.1, relative_lr=1e-4, weight_decay=0.0)
    by_name = {group["name"]: group for group in groups}
    assert by_name["localization"]["lr"] == pytest.approx(1e-5)
    assert by_name["localization"]["params"] == model.localization_parameters()
    model(torch.rand(2, 3, 40, 32)).logits.square().sum().backward()
    assert model.heads.localization.output.weight.shape[0] == 4 * 2
    assert model.heads.localization.output.weight.grad.abs().amax(1).min() > 0


def test_clips_are_looked_at_too():
    model = network(describe=nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 6)))
    model.trunk = nn.Conv3d(3, 8, 3, 2, 1)
    prediction = model(torch.rand(2, 3, 4, 40, 32))
    assert prediction.logits.shape == (2, 4)
    assert prediction.focus[0].cells.size_thw == (4, 40, 32)


def test_a_wrong_number_of_descriptions_is_reported():
    with pytest.raises(InputError, match=r"one network, or 2 \(one for each head\), got 3"):
        network(describe=[description() for _ in range(3)])
