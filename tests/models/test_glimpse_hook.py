import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import spatial_transformer
from stn_action.geometry.theta import enclosing_boxes
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.glimpse_hook import RandomWindows
from stn_action.models.plug import plug

EXAMPLE = torch.zeros(1, 3, 4, 32, 40)
CLIPS = (2, 3, 4, 32, 40)


def network(**settings):
    return plug(Small3d(), at="stage1", num_classes=5, example=EXAMPLE, **{"heads": 3, **settings})


def test_random_windows_lie_on_the_map_and_have_the_sizes_asked_for():
    theta = RandomWindows(0.3, 0.7).draw(torch.zeros(500, 7))
    assert theta.shape == (500, 1, 1, 2, 3)
    scale = theta[..., 0, 0]
    torch.testing.assert_close(scale, theta[..., 1, 1])
    assert 0.3 <= scale.min() < 0.32 < 0.68 < scale.max() <= 0.7
    boxes = enclosing_boxes(theta)
    assert -1 <= boxes.min() < -0.95
    assert 0.95 < boxes.max() <= 1


def test_a_generator_makes_random_windows_repeatable():
    draws = [
        RandomWindows().draw(torch.zeros(3, 1), torch.Generator().manual_seed(4)) for _ in range(2)
    ]
    assert torch.equal(*draws)


@pytest.mark.parametrize("sizes", [(0.0, 0.5), (0.6, 0.5), (0.5, 1.1)])
def test_impossible_random_windows_are_refused(sizes):
    with pytest.raises(InputError, match="random windows need 0 < min_scale <= max_scale <= 1"):
        RandomWindows(*sizes)


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_the_random_branch_is_there_in_training_only(glimpse):
    model = network(glimpse=glimpse, random_windows=RandomWindows())
    prediction = model(torch.rand(CLIPS))
    assert prediction.random_logits.shape == (2, 5)
    assert prediction.branch_logits.shape == (2, 4, 5)
    assert prediction.focus[0].theta.shape == (2, 3, 1, 2, 3)
    assert model.eval()(torch.rand(CLIPS)).random_logits is None


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_the_random_branch_sees_its_window_and_changes_nothing_else(glimpse):
    """A window that is the whole map makes the random branch see what an identity head sees."""
    model = network(glimpse=glimpse, random_windows=RandomWindows(1.0, 1.0))
    for part in model.modules():  # batch norm would see the further maps of the batch
        part.training = False
    model.training = True
    clips = torch.rand(CLIPS)
    whole = torch.eye(2, 3).expand(2, 3, 1, 2, 3)
    model.random_classifier.load_state_dict(model.branch_classifiers[1].state_dict())
    prediction = model(clips, theta=[whole])
    torch.testing.assert_close(prediction.random_logits, prediction.branch_logits[:, 1])
    without = model.eval()(clips, theta=[whole])
    torch.testing.assert_close(prediction.logits, without.logits)


def test_in_line_the_glimpse_takes_the_maps_place():
    model = network(heads=1, glimpse="in_line", bounded=False).eval()
    clips = torch.rand(CLIPS)
    prediction = model(clips)  # at the identity
    assert prediction.branch_logits.shape == (2, 1, 5)
    torch.testing.assert_close(prediction.logits, model.classifier(model.trunk(clips)))
    corner = torch.tensor([[0.3, 0, -0.7], [0, 0.3, -0.7]]).expand(2, 1, 1, 2, 3)
    elsewhere = model(clips, theta=[corner])
    assert (elsewhere.logits - prediction.logits).abs().max() > 1e-4


class FourChannels(nn.Module):
    """Clips to the mean of four channels; two that it gets are repeated."""

    def __init__(self):
        super().__init__()
        self.stage = nn.Identity()
        self.layer = nn.Conv3d(4, 5, 1)

    def forward(self, clip):
        x = self.stage(clip[:, :2])
        return self.layer(x.repeat(1, 4 // x.shape[1], 1, 1, 1)).relu().mean((2, 3, 4))


def test_in_line_the_glimpses_of_several_heads_are_side_by_side_in_channels():
    example = torch.rand(1, 3, 1, 6, 8)
    model = plug(
        FourChannels(), at="stage", heads=2, num_classes=3, glimpse="in_line", transform="affine",
        bounded=False, start_scale=1.0, example=example, gain=1.0,
    ).eval()  # fmt: skip
    clips = torch.rand(2, 3, 1, 6, 8)
    prediction = model(clips)  # both at the identity
    torch.testing.assert_close(prediction.logits, model.classifier(model.trunk(clips)))
    left = torch.tensor([[0.5, 0, -0.5], [0, 1, 0]])
    theta = torch.stack([torch.eye(2, 3), left]).view(1, 2, 1, 2, 3).expand(2, -1, -1, -1, -1)
    halves = spatial_transformer(clips[:, :2], left.expand(2, 2, 3))
    maps = torch.cat([clips[:, :2], halves], dim=1)
    features = model.trunk.get_submodule("layer")(maps).relu().mean((2, 3, 4))
    torch.testing.assert_close(model(clips, theta=[theta]).logits, model.classifier(features))


def test_in_line_there_is_a_head_and_a_trunk_that_takes_what_it_gives():
    with pytest.raises(InputError, match="in_line needs a head, and no random_windows"):
        network(heads=1, glimpse="in_line", random_windows=RandomWindows())
    with pytest.raises(InputError, match=r"'in_line' with heads 2: .*2 times as many channels"):
        network(heads=2, glimpse="in_line")
