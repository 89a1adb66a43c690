"""Heads through `torch.compile` and `torch.export`: the same results."""

import pytest
import torch
from torch import nn

from stn_action.geometry.sampling import weighted_means
from stn_action.geometry.transforms import TRANSFORMS, build_transform
from stn_action.models.heads import FocusHeads
from stn_action.models.readouts.window_readout import WindowReadout
from stn_action.models.spatial_transformer import SpatialTransformer

CLIP = (2, 5, 3, 8, 6)
QUICK = ("attention", "tps", "volumetric")
"""Families of which one is of each kind: separable, by a grid, in space and time."""


def slow(name):
    return pytest.param(name, marks=pytest.mark.slow)


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    """The compiler counts what it compiled of one function in all tests together."""
    torch.compiler.reset()


def moved(heads):
    nn.init.normal_(heads.localization.output.weight, std=0.3)
    return heads


class Glimpses(nn.Module):
    """Theta, glimpses and their means of one placement."""

    def __init__(self, name):
        super().__init__()
        self.heads = moved(FocusHeads(5, build_transform(name, 3)))
        self.readout = WindowReadout(self.heads)

    def forward(self, features):
        theta = self.heads(features)
        glimpses = self.heads.glimpses(features, theta, (8, 6))
        return theta, glimpses, self.readout(features, given=theta).descriptions


def assert_equal(results, expected):
    for one, other in zip(results, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name if name in QUICK else slow(name) for name in TRANSFORMS])
def test_heads_are_exported(name):
    module = Glimpses(name).eval()
    exported = torch.export.export(module, (torch.randn(CLIP),)).module()
    features = torch.randn(CLIP)
    with torch.no_grad():
        assert_equal(exported(features), module(features))


@pytest.mark.parametrize("name", ["attention", slow("affine"), slow("tps")])
def test_heads_are_traced_whole(name):
    module = Glimpses(name)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    features = torch.randn(CLIP)
    assert_equal(compiled(features), module(features))
    gradients = []
    for one in (module, compiled):
        module.zero_grad()
        sum(result.square().sum() for result in one(features)).backward()
        gradients.append([parameter.grad.clone() for parameter in module.parameters()])
    for one, other in zip(*gradients, strict=True):  # sums over many places, in another order
        torch.testing.assert_close(one, other, atol=1e-4 * other.abs().max().item(), rtol=1e-3)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_compiled_means_are_one_loop_on_contiguous_maps_alone(layout):
    features = torch.randn(2, 5, 8, 6).contiguous(memory_format=layout).requires_grad_()
    weights = torch.rand(2, 3, 8, 6, requires_grad=True)
    graphs = []

    def kept(graph, inputs):
        del inputs
        graphs.append(graph.code)
        return graph

    compiled = torch.compile(weighted_means, backend=kept, fullgraph=True)(features, weights)
    expected = weighted_means(features, weights)
    torch.testing.assert_close(compiled, expected)
    assert ("sum(" in graphs[0]) == (layout == torch.contiguous_format)
    results = [torch.autograd.grad(one.square().sum(), (features, weights), retain_graph=True)
               for one in (compiled, expected)]  # fmt: skip
    torch.testing.assert_close(results[0], results[1])


def test_exported_means_stay_products_of_matrices():
    class Means(nn.Module):
        def forward(self, features, weights):
            return weighted_means(features, weights)

    inputs = torch.randn(2, 5, 8, 6), torch.rand(2, 3, 8, 6)
    exported = torch.export.export(Means(), inputs)
    assert "matmul" in exported.graph_module.code
    assert "sum" not in exported.graph_module.code


def test_a_transformer_in_line_is_exported():
    layer = SpatialTransformer(channels=5).eval()
    moved(layer.heads)
    features = torch.randn(2, 5, 8, 6)
    exported = torch.export.export(layer, (torch.randn(2, 5, 8, 6),)).module()
    torch.testing.assert_close(exported(features), layer(features))


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMS)
def test_heads_are_compiled(name):
    module = Glimpses(name)
    compiled = torch.compile(module, fullgraph=True)
    features = torch.randn(CLIP)
    assert_equal(compiled(features), module(features))
