import pytest
import torch
from torch import nn

from stn_action.geometry.clip_sampling import sample_clips, spatial_transformer
from stn_action.geometry.sampling import sample
from stn_action.geometry.theta import compose, window_theta
from stn_action.geometry.transform_choices import PADDINGS, SAMPLERS
from tests.geometry.examples import windows

N, C, T, H, W = 2, 3, 4, 6, 5


@pytest.mark.parametrize("size", [(3, 4), None])
@pytest.mark.parametrize(
    "theta_shape", [(6,), (2, 3), (2, 6), (2, 2, 3), (3, 3), (2, 3, 3), (16, 2), (2, 16, 2)]
)
def test_the_spatial_transformer_of_maps(theta_shape, size):
    features, theta = torch.randn(N, C, H, W), 0.3 * torch.randn(N, *theta_shape)
    if theta_shape[-2:] == (3, 3):
        theta[..., 2, :] = torch.tensor([0.1, 0.0, 1.0])
    result = spatial_transformer(features, theta, size)
    kind = theta_shape[-1:] if theta_shape[-1] == 6 else theta_shape[-2:]
    heads = theta_shape[: -len(kind)]
    assert result.shape == (N, *heads, C, *(size or (H, W)))
    kind = (2, 3) if kind == (6,) else kind
    expected = sample(features, theta.reshape(N, -1, *kind), size or (H, W))
    torch.testing.assert_close(result, expected.reshape_as(result), atol=0, rtol=0)


@pytest.mark.parametrize("size", [(3, 4), None])
@pytest.mark.parametrize(
    "theta_shape",
    [(6,), (2, 3), (2, 6), (2, 2, 3), (2, 1, 2, 3), (2, T, 2, 3), (2, T, 6), (2, T, 16, 2)],
)
def test_the_spatial_transformer_of_clips(theta_shape, size):
    clip, theta = torch.randn(N, C, T, H, W), 0.3 * torch.randn(N, *theta_shape)
    result = spatial_transformer(clip, theta, size)
    kind = theta_shape[-1:] if theta_shape[-1] == 6 else theta_shape[-2:]
    heads = theta_shape[: -len(kind)][:1]
    assert result.shape == (N, *heads, C, T, *(size or (H, W)))
    kind = (2, 3) if kind == (6,) else kind
    steps = T if T in theta_shape[1:-1] else 1
    theta = theta.reshape(N, -1, steps, *kind)
    result = result.reshape(N, -1, *result.shape[-4:])
    for t in range(T):
        expected = sample(clip[:, :, t], theta[:, :, t % steps], size or (H, W))
        torch.testing.assert_close(result[:, :, :, t], expected)


@pytest.mark.parametrize("size", [(2, 3, 4), None])
@pytest.mark.parametrize("theta_shape", [(3, 4), (2, 3, 4)])
def test_the_spatial_transformer_of_volumes(theta_shape, size):
    clip, theta = torch.randn(N, C, T, H, W), 0.3 * torch.randn(N, *theta_shape)
    result = spatial_transformer(clip, theta, size)
    assert result.shape == (N, *theta_shape[:-2], C, *(size or (T, H, W)))
    expected = sample(clip, theta.reshape(N, -1, 3, 4), size or (T, H, W))
    torch.testing.assert_close(result, expected.reshape_as(result), atol=0, rtol=0)


def test_the_spatial_transformer_passes_its_options_on():
    features, theta = torch.randn(2, 3, 8, 6), windows(2, low=0.8, high=1.2, dtype=torch.float32)
    clip = torch.randn(2, 3, 4, 8, 6)
    for sampler in SAMPLERS:
        for padding in PADDINGS:
            options = {"axis_aligned": True, "sampler": sampler, "padding": padding}
            result = spatial_transformer(features, theta, (3, 2), **options)
            expected = sample(features, theta[:, None], (3, 2), **options)[:, 0]
            torch.testing.assert_close(result, expected, atol=0, rtol=0)
            result = spatial_transformer(clip, theta, (3, 2), **options)
            expected = sample_clips(clip, theta[:, None, None], (3, 2), **options)[:, 0]
            torch.testing.assert_close(result, expected, atol=0, rtol=0)


def test_features_that_are_neither_maps_nor_clips_are_reported():
    with pytest.raises(ValueError, match=r"features must be .* or .*, got \(3, 5, 6\)"):
        spatial_transformer(torch.zeros(3, 5, 6), torch.zeros(3, 2, 3))
    with pytest.raises(ValueError, match=r"theta must end in one of .*got shape \(2, 5\)"):
        spatial_transformer(torch.zeros(2, 3, 5, 6), torch.zeros(2, 5))


@pytest.mark.parametrize("sampler", ["grid", "separable"])
def test_two_windows_in_turn_are_the_composed_window_at_once(sampler):
    # a plane, which bilinear sampling reproduces; both windows stay inside
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    plane = (2 * x - 3 * y + 1).double().expand(1, 1, 40, 60)
    first = window_theta(torch.tensor([[0.5, 0.6]]), torch.tensor([[0.3, -0.2]])).double()
    second = window_theta(torch.tensor([[0.4, 0.3]]), torch.tensor([[-0.2, 0.4]])).double()
    if sampler == "grid":
        first[0, 0, 1], second[0, 1, 0] = 0.2, -0.3
    between = spatial_transformer(plane, first, (50, 70), sampler=sampler)
    twice = spatial_transformer(between, second, (8, 9), sampler=sampler)
    once = spatial_transformer(plane, compose(first, second), (8, 9), sampler=sampler)
    torch.testing.assert_close(twice, once, atol=1e-9, rtol=0)
    other_way = spatial_transformer(plane, compose(second, first), (8, 9), sampler=sampler)
    assert (twice - other_way).abs().max() > 1


class Sampled(nn.Module):
    """`spatial_transformer` as a module, for export."""

    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, features, theta):
        return spatial_transformer(features, theta, (4, 5), **self.options)


COMPILED = [{"axis_aligned": True}, {"axis_aligned": True, "padding": "border"}, {}]


@pytest.mark.parametrize("options", COMPILED)
@pytest.mark.parametrize("low", [0.2, 0.7])  # a window enlarged, one shrunk
def test_the_spatial_transformer_is_traced_whole(options, low):
    module = Sampled(**options)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    results = []
    features = torch.randn(N, C, 9, 11)
    theta = windows(N, 2, low=low, high=low + 0.1, reach=0.3, dtype=torch.float32)
    for call in (module, compiled):
        inputs = features.clone().requires_grad_(), theta.clone().requires_grad_()
        glimpses = call(*inputs)
        to_features, to_theta = torch.autograd.grad(glimpses.square().sum(), inputs)
        if options:  # the other entries are constant, and some samplers do not look at them
            to_theta = to_theta[..., [0, 1, 0, 1], [0, 1, 2, 2]]
        results.append([glimpses, to_features, to_theta])
    torch.testing.assert_close(results[1], results[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("options", [*COMPILED, {"sampler": "nearest"}])
def test_the_spatial_transformer_is_exported(options):
    module = Sampled(**options)
    theta = windows(N, 2, low=0.2, high=0.9, dtype=torch.float32)
    exported = torch.export.export(module, (torch.randn(N, C, 9, 11), theta)).module()
    for low in (0.1, 0.9):  # enlarged and shrunk windows through the same graph
        features = torch.randn(N, C, 9, 11)
        theta = windows(N, 2, low=low, high=low + 0.1, dtype=torch.float32)
        torch.testing.assert_close(
            exported(features, theta), module(features, theta), atol=1e-5, rtol=1e-5
        )
