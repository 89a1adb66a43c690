import pytest
import torch

from stn_action.geometry.clip_sampling import spatial_transformer
from stn_action.geometry.tensorflow_interface import spatial_transformer_network
from tests.geometry.paper import places, slow_values, tent

SIZES = [(4, 8), (8, 4), (5, 7), (1, 6), (6, 1), (40, 60)]
B, C, H, W = 2, 3, 4, 5
OBLIQUE = torch.tensor(
    [[[0.63, -0.21, 0.11], [0.17, 0.58, -0.23]], [[-0.47, 0.31, 0.37], [0.29, 0.71, 0.13]]]
).double()
"""Theta of two maps that rotate and shear; (3, 6) samples of (4, 5) maps are off the lattice."""


def ramps(size_hw, dtype=torch.float32):
    """Two maps (2, 2, H, W); one channel counts columns, the other rows."""
    rows, columns = (torch.arange(side, dtype=dtype) for side in size_hw)
    ramp = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))  # (2, H, W)
    return torch.stack([ramp, ramp + 100])


def identity(theta_shape):
    return torch.eye(2, 3).reshape(theta_shape).expand(2, *theta_shape)


def laid_out(maps, channels_last):
    return maps.permute(0, 2, 3, 1).contiguous() if channels_last else maps


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size_hw", SIZES)
def test_the_identity_of_a_ramp_is_the_ramp(size_hw, channels_last):
    for theta_shape in ((6,), (2, 3)):
        maps = laid_out(ramps(size_hw), channels_last)
        result = spatial_transformer_network(
            maps, identity(theta_shape), channels_last=channels_last
        )
        torch.testing.assert_close(result, maps, atol=1e-5, rtol=1e-6)
        maps = maps.double()
        result = spatial_transformer_network(
            maps, identity(theta_shape).double(), size_hw, channels_last=channels_last
        )
        torch.testing.assert_close(result, maps, atol=1e-12, rtol=0)


def test_the_identity_of_the_ramp_from_0_to_7_is_the_ramp_to_the_last_bit():
    maps = ramps((4, 8))
    result = spatial_transformer_network(maps, identity((6,)))
    torch.testing.assert_close(result, maps, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (2 / 3, 0, [[2, 3, 0], [5, 6, 0]]),  # 2/3 of half the width, 1.5 pixels
        (0, 1, [[4, 5, 6], [0, 0, 0]]),
        (-2 / 3, 1, [[0, 4, 5], [0, 0, 0]]),
        (1 / 3, 0, [[1.5, 2.5, 1.5], [4.5, 5.5, 3]]),
    ],
)
def test_a_shift_reads_from_where_theta_points(x, y, expected):
    maps = torch.tensor([[[[1.0, 2, 3], [4, 5, 6]]]])
    result = spatial_transformer_network(maps, torch.tensor([[1, 0, x, 0, 1, y]]))
    torch.testing.assert_close(result, torch.tensor([[expected]]).float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("out_dims", [None, (3, 6), [3, 6], torch.Size([3, 6])])
def test_both_layouts_give_what_spatial_transformer_gives(out_dims):
    maps, theta = torch.randn(B, C, H, W), torch.randn(B, 6)
    expected = spatial_transformer(maps, theta, out_dims)
    assert expected.shape == (B, C, *(out_dims or (H, W)))
    result = spatial_transformer_network(maps, theta, out_dims)
    torch.testing.assert_close(result, expected, atol=0, rtol=0)
    last = spatial_transformer_network(
        laid_out(maps, True), theta.view(B, 2, 3), out_dims, channels_last=True
    )
    assert last.shape == (B, *(out_dims or (H, W)), C)
    torch.testing.assert_close(last.permute(0, 3, 1, 2), expected)


def test_values_are_those_of_the_papers_loops():
    maps = torch.randn(B, C, H, W, dtype=torch.float64)
    result = spatial_transformer_network(maps, OBLIQUE, (3, 6))
    expected = slow_values(maps, OBLIQUE[:, None], (3, 6), tent, "zeros")[:, 0]
    torch.testing.assert_close(result, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_are_right_away_from_the_lattice(channels_last):
    for theta in OBLIQUE:
        for _, _, (x, y) in places(theta, (3, 6), (H, W)):
            assert min(abs(x - round(x)), abs(y - round(y))) > 1e-3
    maps = laid_out(torch.randn(B, C, H, W, dtype=torch.float64), channels_last)
    inputs = maps.requires_grad_(), OBLIQUE.reshape(B, 6).clone().requires_grad_()

    def call(maps, theta):
        return spatial_transformer_network(maps, theta, (3, 6), channels_last=channels_last)

    assert torch.autograd.gradcheck(call, inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_result_has_the_dtype_of_the_map(dtype):
    result = spatial_transformer_network(ramps((4, 8), dtype), identity((6,)))
    assert result.dtype == dtype


@pytest.mark.parametrize("shape", [(3, 5, 6), (2, 3, 4, 5, 6), (5,), (0, 3, 5, 6), (2, 3, 0, 6)])
def test_a_map_of_another_shape_is_refused(shape):
    got = r"each at least 1, got \(" + ", ".join(map(str, shape))
    with pytest.raises(ValueError, match=r"^input_map must be \(B, C, H, W\), " + got):
        spatial_transformer_network(torch.zeros(shape), torch.zeros(2, 6))
    with pytest.raises(ValueError, match=r"^input_map must be \(B, H, W, C\), " + got):
        spatial_transformer_network(torch.zeros(shape), torch.zeros(2, 6), channels_last=True)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_a_map_of_integers_is_refused(dtype):
    with pytest.raises(
        ValueError, match=rf"^input_map must be floating point, got {dtype}: .*float"
    ):
        spatial_transformer_network(ramps((4, 8)).to(dtype), identity((6,)))


@pytest.mark.parametrize(
    "shape", [(3, 6), (3, 2, 3), (1, 6), (12,), (2, 5), (2, 3, 2), (2, 1, 6), (2, 3, 3), (2, 3)]
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_theta_of_another_shape_or_batch_is_refused(shape, channels_last):
    got = ", ".join(map(str, shape))
    with pytest.raises(ValueError, match=rf"^theta must be \(2, 6\) or \(2, 2, 3\) .*got \({got}"):
        spatial_transformer_network(
            torch.zeros(2, 5, 6, 7), torch.zeros(shape), channels_last=channels_last
        )


@pytest.mark.parametrize(
    "out_dims", [(4,), (3, 4, 5), (), (0, 4), (4, -1), (4.0, 5), 4, "45", torch.tensor([4, 5])]
)
def test_out_dims_that_are_not_two_positive_integers_are_refused(out_dims):
    with pytest.raises(ValueError, match=r"^out_dims must be two positive integers, .* got .*"):
        spatial_transformer_network(torch.zeros(2, 5, 6, 7), torch.zeros(2, 6), out_dims)
