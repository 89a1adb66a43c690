import pytest
import torch
from torch import nn
from torchvision.models.video import s3d

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


def shape_of_the_classes(net, x):
    return net.classifier(x.mean((2, 3, 4))).view(-1, 9).clone()


def squared(net, x):
    return net.classifier(x).square().mean((2, 3, 4))


@pytest.mark.parametrize("end", [linear_then_tanh, shape_of_the_classes, squared])
def test_a_trunk_that_does_not_end_linearly_is_left_alone(end):
    layer = nn.Conv3d(6, 9, 1) if end is squared else nn.Linear(6, 9)
    trunk = Ending(layer, end)
    assert remove_classifier(trunk, EXAMPLE) == 9
    assert trunk.classifier is layer
    assert isinstance(trunk.softmax, nn.Softmax)


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
