"""Descriptors of crops."""

import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.backbones.digit_trunks import digit_spec
from stn_action.models.digit_embedding import DigitEmbedding
from stn_action.models.plug import plug


def classifier(model="cnn_28", **settings):
    trunk = digit_spec(model).builder(None, "mean")
    example = torch.zeros(1, 3, 1, 28, 28)
    std = [255.0] * 3
    settings = {"heads": 0, **settings}
    return plug(trunk, num_classes=10, example=example, mean=[0] * 3, std=std, **settings).eval()


def test_descriptors_are_the_last_hidden_layer_and_the_scores_of_the_classifier():
    network = classifier()
    embedding = DigitEmbedding(network)
    crops = torch.randint(0, 256, (3, 1, 28, 28)) / 255
    descriptors = embedding(crops)
    assert descriptors.shape == (3, 64 * 2 * 2 + 10)
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(3))
    clips = (255 * crops)[:, :, None].expand(-1, 3, -1, -1, -1)
    scores = network(clips).logits
    shares = descriptors[:, -10:] / scores
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))  # the length alone


def test_nothing_in_it_is_trained_but_crops_have_a_gradient():
    embedding = DigitEmbedding(classifier())
    crops = torch.rand(2, 1, 28, 28, requires_grad=True)
    embedding(crops)[:, 0].sum().backward()
    assert crops.grad is not None
    assert not any(parameter.requires_grad for parameter in embedding.parameters())


@pytest.mark.parametrize(
    "network",
    [
        classifier("fcn_28"),
        classifier(at="input", heads=1, glimpse="in_line", motion=False),
    ],
    ids=["fully connected", "with heads"],
)
def test_other_networks_are_refused(network):
    with pytest.raises(InputError, match="expected the network digits/cnn_28 without heads"):
        DigitEmbedding(network)
