import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torchvision.models.video import s3d

from stn_action.errors import InputError
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.classifier import remove_classifier

EXAMPLE = torch.zeros(1, 3, 4, 32, 32)


class Ending(nn.Module):
    """Maps, and what makes scores of them."""

    def __init__(self, classifier, end):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(3, 6, 3, (2, 4, 4), 1), nn.BatchNorm3d(6), nn.ReLU()
        )
        self.classifier = classifier
        self.softmax = nn.Softmax(dim=1)
        self.end = end

    def forward(self, clip):
        return self.end(self, self.features(clip))


def convolution_then_mean(net, x):
    return net.classifier(x).mean((2, 3, 4))


def pool_convolution_softmax_view(net, x):
    return net.softmax(net.classifier(x.mean((2, 3, 4), keepdim=True))).view(len(x), -1)


def linear_on_every_position_then_mean(net, x):
    return net.classifier(x.movedim(1, -1)).movedim(-1, 1).mean((2, 3, 4))


def frames_in_the_batch(net, x):
    frames = x.mean((3, 4)).transpose(1, 2)  # (B, T, C)
    return net.classifier(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).mean(1)


@pytest.mark.parametrize(
    ("layer", "end"),
    [
        (nn.Conv3d(6, 9, 1), convolution_then_mean),
        (nn.Conv3d(6, 9, 1), pool_convolution_softmax_view),
        (nn.Linear(6, 9), linear_on_every_position_then_mean),
        (nn.Linear(6, 9), frames_in_the_batch),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_classifier_is_found_behind_means_views_and_softmax(layer, end):
    trunk = Ending(layer, end).eval()
    clip = torch.rand(2, 3, 4, 32, 32)
    expected = trunk.features(clip).mean((2, 3, 4))
    assert remove_classifier(trunk, EXAMPLE) == 6
    assert isinstance(trunk.classifier, nn.Identity)
    torch.testing.assert_close(trunk(clip), expected)


def linear_then_tanh(net, x):
    return net.classifier(x.mean((2, 3, 4))).tanh()


def linear_then_functional_softmax(net, x):
    return net.classifier(x.mean((2, 3, 4))).softmax(1)


def shape_of_the_classes(net, x):
    return net.classifier(x.mean((2, 3, 4))).view(-1, 9).clone()


def squared(net, x):
    return net.classifier(x).square().mean((2, 3, 4))


def average_of_two(net, x):
    x = x.mean((2, 3, 4))
    return (net.classifier(x) + net.other(x.relu())) / 2


@pytest.mark.parametrize(
    "end", [linear_then_tanh, shape_of_the_classes, squared, linear_then_functional_softmax]
)
def test_scores_that_cannot_be_taken_off_are_refused(end):
    layer = nn.Conv3d(6, 9, 1) if end is squared else nn.Linear(6, 9)
    trunk = Ending(layer, end)
    message = r"ends in 'classifier', a \w+ of 9 outputs, .*: more follows it than .*features_from"
    with pytest.raises(InputError, match=message):
        remove_classifier(trunk, EXAMPLE)
    assert trunk.classifier is layer
    assert isinstance(trunk.softmax, nn.Softmax)


class CosineClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(9, 6))

    def forward(self, x):
        return F.linear(F.normalize(x), F.normalize(self.weight))


def test_a_classifier_of_unknown_kind_is_refused():
    trunk = Ending(CosineClassifier(), lambda net, x: net.classifier(x.mean((2, 3, 4))))
    with pytest.raises(InputError, match=r"a CosineClassifier of 9 outputs, .* not those of a lin"):
        remove_classifier(trunk, EXAMPLE)


def test_two_classifiers_whose_scores_are_averaged_are_both_taken_off():
    """As those of distilled transformers."""
    trunk = Ending(nn.Linear(6, 9), average_of_two).eval()
    trunk.other = nn.Linear(6, 9)
    clip = torch.rand(2, 3, 4, 32, 32)
    features = trunk.features(clip).mean((2, 3, 4))
    assert remove_classifier(trunk, EXAMPLE) == 6
    torch.testing.assert_close(trunk(clip), (features + features.relu()) / 2)


def on_pooled(net, x):
    return net.classifier(x.mean((2, 3, 4), keepdim=True)).flatten(1)


def maximum(net, x):
    return net.classifier(x).amax((2, 3, 4))


@pytest.mark.parametrize(
    ("classifier", "end", "pool"),
    [
        (nn.Conv3d(6, 9, (2, 8, 8)), lambda net, x: net.classifier(x).flatten(1), "mean"),
        (nn.Conv3d(6, 9, 1), maximum, "amax"),
        (nn.Sequential(nn.Dropout(0.5), nn.Conv3d(6, 9, 1), nn.Sigmoid()), on_pooled, "mean"),
        (nn.Sequential(nn.Conv3d(6, 9, 1), nn.Tanh(), nn.Dropout()), on_pooled, "mean"),
        (parametrizations.weight_norm(nn.Conv3d(6, 9, 1)), on_pooled, "mean"),
        (nn.Sequential(nn.Conv3d(6, 9, 1), nn.LogSoftmax(1)), on_pooled, "mean"),
    ],
)
def test_classifiers_of_many_kinds_are_taken_off(classifier, end, pool):
    trunk = Ending(classifier, end).eval()
    clip = torch.rand(2, 3, 4, 32, 32)
    expected = getattr(trunk.features(clip), pool)((2, 3, 4))
    assert remove_classifier(trunk, EXAMPLE) == 6
    torch.testing.assert_close(trunk(clip), expected)


def test_an_activation_behind_the_last_layer_is_asked_about_but_for_declared_classes():
    """Features may end in it, and the scores of SqueezeNet do."""
    trunk = Ending(nn.Sequential(nn.Conv3d(6, 9, 1), nn.ReLU(inplace=True)), maximum)
    with pytest.raises(InputError, match="features may end in such an activation, too"):
        remove_classifier(trunk, EXAMPLE)
    trunk.classifier.append(nn.Identity())  # in the place of the classifier that was
    assert remove_classifier(trunk, EXAMPLE) == 9
    trunk.num_classes = 9
    assert remove_classifier(trunk, EXAMPLE) == 6
    assert isinstance(trunk.classifier[1], nn.Identity)


class Residual(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.features = nn.Conv3d(3, 6, 3, (2, 4, 4), 1)
        self.block = nn.Sequential(nn.Linear(6, 12), nn.GELU(), last)

    def forward(self, clip):
        x = self.features(clip).mean((2, 3, 4))
        return x + self.block(x)


def gated(net, x):
    return (x * net.softmax(net.classifier(x.mean((2, 3, 4), keepdim=True)))).mean((2, 3, 4))


@pytest.mark.parametrize(
    "trunk",
    [
        Residual(nn.Linear(12, 6)),
        Residual(nn.Sequential(nn.Linear(12, 6), nn.LayerNorm(6))),
        Ending(nn.Conv3d(6, 6, 1), gated),
        Ending(nn.Sequential(nn.Conv3d(6, 9, 1), nn.BatchNorm3d(9)), convolution_then_mean),
        Ending(nn.Conv3d(6, 9, 3, padding=1), convolution_then_mean),
        Residual(nn.Sequential(nn.Linear(12, 6), nn.ReLU(inplace=True), nn.Linear(6, 6))),
        Ending(BatchNormAct2d(12), lambda net, x: net.classifier(x.flatten(1, 2)).mean((2, 3))),
    ],
)
def test_the_last_layer_of_features_is_no_classifier(trunk):
    before = dict(trunk.named_modules())
    with torch.no_grad():
        width = trunk(EXAMPLE).shape[1]
    assert remove_classifier(trunk, EXAMPLE) == width
    assert dict(trunk.named_modules()) == before


def test_a_trunk_of_features_is_left_alone():
    trunk = Small3d()
    assert remove_classifier(trunk, EXAMPLE) == 64
    assert isinstance(trunk.stage3[0], nn.Conv3d)


def test_torchvisions_s3d_ends_in_a_convolution():
    trunk = s3d()
    trunk.avgpool = nn.AdaptiveAvgPool3d(1)  # its own needs 224 x 224
    assert remove_classifier(trunk, torch.zeros(1, 3, 8, 64, 64)) == 1024
    assert isinstance(trunk.classifier[1], nn.Identity)


@pytest.mark.filterwarnings("ignore:.torch.jit.script:FutureWarning")  # of fvcore
def test_pytorchvideos_own_network_loses_its_softmax_too():
    from pytorchvideo.models.x3d import create_x3d

    trunk = create_x3d(input_clip_length=4, input_crop_size=64).eval()
    assert remove_classifier(trunk, torch.zeros(1, 3, 4, 64, 64)) == 2048
    assert isinstance(trunk.blocks[5].activation, nn.Identity)
    assert trunk(torch.rand(1, 3, 4, 64, 64)).shape == (1, 2048)
