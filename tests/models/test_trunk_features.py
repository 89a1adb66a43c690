import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from stn_action.errors import InputError
from stn_action.models.plug import plug
from tests.pairs import cover_pairs

CLIPS = (2, 3, 4, 16, 24)
EXAMPLE = torch.zeros(1, *CLIPS[1:])


class Tangled(nn.Module):
    """A trunk whose scores cannot be taken off; its features, maps and descriptions of frames."""

    def __init__(self, *, reentrant=None):
        super().__init__()
        self.stage = nn.Conv3d(3, 6, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.maps = nn.Sequential(nn.Conv3d(6, 8, 3, padding=1), nn.Tanh())
        self.last = nn.Identity()  # the maps with channels last
        self.pooled = nn.Identity()
        self.frames = nn.Sequential(nn.Linear(8, 5))
        self.head = nn.Linear(5, 9)
        self.reentrant = reentrant

    def forward(self, clip):
        x = self.maps(self.stage(clip))
        x = self.last(x.movedim(1, -1))
        features = self.pooled(x.mean((1, 2, 3)))
        if self.reentrant is not None:
            features = checkpoint(self.pooled, x.mean((1, 2, 3)), use_reentrant=self.reentrant)
        frames = self.frames(x.mean((2, 3)).flatten(0, 1))
        return (
            self.head(frames).unflatten(0, (-1, clip.shape[2])).square().mean(1) + features[:, :1]
        )


@pytest.mark.parametrize(
    ("features_from", "width", "glimpse"),
    cover_pairs(
        [("maps", 8), ("last", 8), ("pooled", 8), ("frames", 5)], ["tail", "pooled", "in_line", ""]
    ),
)
def test_features_may_be_taken_from_any_module(features_from, width, glimpse):
    trunk = Tangled()
    heads = {"": 0, "in_line": 1}.get(glimpse, 2)
    model = plug(
        trunk, at="stage", heads=heads, glimpse=glimpse or "tail", num_classes=4, example=EXAMPLE,
        features_from=features_from,
    ).eval()  # fmt: skip
    clips = torch.rand(CLIPS)
    assert model(clips).branch_logits.shape[-1] == 4
    assert model.branch_classifiers[0].in_features == width
    if glimpse in ("tail", "pooled", ""):
        maps = trunk.maps(trunk.stage(clips)).mean((2, 3, 4))
        expected = maps if width == 8 else trunk.frames(maps)
        torch.testing.assert_close(
            model(clips).branch_logits[:, 0], model.branch_classifiers[0](expected)
        )
    prediction = model(clips)
    (prediction.logits.sum() + prediction.branch_logits.sum()).backward()
    for name, parameter in model.named_parameters():  # what is not needed is frozen
        assert (parameter.grad is not None) is parameter.requires_grad, name
    assert not any(parameter.requires_grad for parameter in trunk.head.parameters())


def test_a_trunk_whose_scores_cannot_be_taken_off_asks_for_its_features():
    trunk = nn.Sequential(Tangled().stage, nn.Flatten(), nn.Linear(4 * 6 * 8 * 12, 9), nn.ReLU())
    message = r"ends in '2', a Linear of 9 outputs.*by features_from.*'1' \(1, 2304\), '2'"
    with pytest.raises(InputError, match=message):
        plug(trunk, at="0", num_classes=4, example=EXAMPLE, glimpse="pooled")
    model = plug(trunk, at="0", num_classes=4, example=EXAMPLE, glimpse="pooled", features_from="1")
    assert model.branch_classifiers[0].in_features == 2304
    assert not any(parameter.requires_grad for parameter in trunk[2].parameters())
    assert all(parameter.requires_grad for parameter in trunk[0].parameters())


@pytest.mark.parametrize(
    ("features_from", "message"),
    [
        ("mapz", "no stage 'mapz'; did you mean 'maps'"),
        ("unused", "does not take part in the backbone's forward pass|not part of the forward"),
    ],
)
def test_a_wrong_place_of_the_features_is_reported(features_from, message):
    trunk = Tangled()
    trunk.unused = nn.Linear(2, 2)
    with pytest.raises(InputError, match=message):
        plug(trunk, at="stage", num_classes=4, example=EXAMPLE, features_from=features_from)
    assert all(parameter.requires_grad for parameter in trunk.parameters())


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning")
def test_features_of_a_reentrant_checkpoint_are_refused():
    for reentrant in (True, False):
        model = plug(
            Tangled(reentrant=reentrant), at="stage", num_classes=4, example=EXAMPLE,
            features_from="pooled",
        )  # fmt: skip
        if reentrant:
            with pytest.raises(InputError, match=r"'pooled', where features_from .* reentrant"):
                model(torch.rand(CLIPS))
        else:
            model(torch.rand(CLIPS)).logits.sum().backward()
            assert model.trunk.maps[0].weight.grad.any()
