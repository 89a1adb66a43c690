import warnings

import pytest
import timm
import torch
from torch import nn

from stn_action.geometry.cells import Cells
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.receptive_field import trace_cells
from stn_action.models.stage_maps import features_at
from stn_action.models.temporal import TemporalMean


@pytest.fixture(scope="module")
def lite0():
    """The frame-wise trunk of the shipped configuration, without weights."""
    image = timm.create_model("tf_efficientnet_lite0", features_only=True)
    return FrameWise(image, TemporalMean(320)).eval()


def center_of(trunk, path, clip_thw, cell):
    """By brute force: the centroid of the clip's pixels that a cell of the stage sees.

    Every convolution becomes a mean over its window, so that what the gradient weighs is the
    window alone; only for cells that do not see the border.
    """
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            module.weight.data.fill_(1 / module.weight[0].numel())
    clip = torch.full((1, 3, *clip_thw), 0.01, requires_grad=True)
    t, y, x = cell
    features_at(trunk, path, clip)[0, :, t, y, x].sum().backward()
    assert clip.grad is not None
    weight = clip.grad[0].abs().sum(0)
    assert weight[:, 0].max() == weight[:, -1].max() == weight[..., 0].max() == 0
    places = torch.meshgrid(*(torch.arange(size) for size in clip_thw), indexing="ij")
    return [float((place * weight).sum() / weight.sum()) for place in places]


def check_cells(trunk, path, clip_thw, *cells):
    size_thw = tuple(features_at(trunk, path, torch.zeros(1, 3, *clip_thw)).shape[2:])
    traced = trace_cells(trunk, path, clip_thw, size_thw)
    assert traced.size_thw == size_thw
    assert traced.clip_thw == clip_thw
    for cell in cells:
        expected = center_of(trunk, path, clip_thw, cell)
        steps = zip(traced.first_thw, traced.step_thw, cell, strict=True)
        found = [first + step * index for first, step, index in steps]
        assert found == pytest.approx(expected, abs=1e-3)


def test_cells_of_a_small_network_are_where_its_gradient_is():
    trunk = Small3d().eval()
    trunk.motion = nn.Identity()  # differences move nothing, but have no centroid
    check_cells(trunk, "stage2", (7, 64, 83), (1, 3, 4), (1, 4, 6))


@pytest.mark.parametrize("size_hw", [(96, 112), (97, 113), (98, 99)])
def test_cells_of_tensorflow_padding_are_where_their_gradient_is(size_hw):
    image = timm.create_model("tf_efficientnet_lite0", features_only=True)
    trunk = FrameWise(image, TemporalMean(320)).eval()
    check_cells(trunk, "image.blocks.2", (2, *size_hw), (0, 5, 6), (1, 6, 7))


def test_cells_of_tensorflow_padding_by_hand(lite0):
    # even sizes are padded at the end only: each of the four strides shifts by half its step
    even = trace_cells(lite0, "image.blocks.4", (2, 64, 96), (2, 4, 6))
    assert even.first_thw == pytest.approx((0, 15, 15))
    # 65 -> 33 -> 17 -> 9 -> 5: always odd, padded on both sides
    odd = trace_cells(lite0, "image.blocks.4", (2, 65, 97), (2, 5, 7))
    assert odd.first_thw == pytest.approx((0, 0, 0))
    assert odd.step_thw == even.step_thw == pytest.approx((1, 16, 16))


def test_cells_of_a_strided_chain_by_hand():
    trunk = nn.Sequential(
        nn.Conv3d(3, 4, (1, 3, 5), (2, 2, 3), (0, 0, 1)),  # t 0, 2; y 1, 3; x 1, 4
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 3), (1, 2, 2)),  # y 2, 6; x 4, 10
        nn.Conv3d(4, 4, 3, dilation=2, padding=2),
    )
    size_thw = tuple(trunk(torch.zeros(1, 3, 6, 21, 26)).shape[2:])
    cells = trace_cells(trunk, "3", (6, 21, 26), size_thw)
    assert cells.first_thw == pytest.approx((0, 2, 4))
    assert cells.step_thw == pytest.approx((2, 4, 6))


def test_a_single_cell_is_as_long_as_the_clip():
    trunk = nn.Sequential(nn.Conv3d(3, 4, (2, 1, 3), stride=(4, 1, 1), padding="valid"))
    cells = trace_cells(trunk, "0", (4, 1, 5), (1, 1, 3))
    assert cells.first_thw == pytest.approx((0.5, 0, 1))
    assert cells.step_thw == pytest.approx((4, 1, 1))


class Rolled(nn.Module):
    """Moves its map about, as shifted windows do."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv3d(3, 4, 1, (1, 2, 2))
        self.last = nn.Identity()

    def forward(self, clip):
        return self.last(self.layer(clip).roll(1, -1))


class Inspecting(Rolled):
    """Reads a parameter of a layer, which its exchanged copy does not have."""

    def forward(self, clip):
        return self.last(self.layer(clip) + self.layer.weight.mean())


@pytest.mark.parametrize("trunk", [Rolled(), Inspecting()], ids=lambda trunk: type(trunk).__name__)
def test_what_cannot_be_traced_is_reported_and_shared_out_evenly(trunk):
    with pytest.warns(UserWarning, match="cells of stage 'last' could not be traced"):
        cells = trace_cells(trunk, "last", (2, 8, 12), (2, 4, 6))
    assert cells == Cells.centered((2, 4, 6), (2, 8, 12))


def test_a_traced_map_of_another_size_is_not_believed():
    trunk = nn.Sequential(nn.MaxPool3d((1, 2, 2), ceil_mode=True))
    clip = torch.zeros(1, 3, 2, 5, 5)
    size_thw = tuple(trunk(clip).shape[2:])
    with pytest.warns(UserWarning, match="could not be traced"):
        assert trace_cells(trunk, "0", (2, 5, 5), size_thw).size_thw == (2, 3, 3)


def test_tracing_leaves_the_trunk_as_it_was():
    trunk = Small3d().train()
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace_cells(trunk, "stage1", (4, 32, 32), (4, 8, 8))
    assert all(module.training for module in trunk.modules())
    for key, value in trunk.state_dict().items():
        torch.testing.assert_close(value, before[key])


def test_pooling_kernels_given_as_lists_are_traced():
    """As pytorchvideo gives them; 12 -> 6 -> 3 rows, padded at both sides."""
    trunk = nn.Sequential(
        nn.MaxPool3d([1, 3, 3], stride=[1, 2, 2], padding=[0, 1, 1]),  # type: ignore[arg-type]
        nn.AvgPool3d([2, 2, 2], stride=[2, 2, 2]),  # type: ignore[arg-type]
    )
    cells = trace_cells(trunk, "1", (4, 12, 16), (2, 3, 4))
    assert cells.first_thw == pytest.approx((0.5, 1, 1))
    assert cells.step_thw == pytest.approx((2, 4, 4))


class FunctionalPools(nn.Module):
    """Pooling by functions, in branches that are joined, as Inception has it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, clip):
        maps = self.first(clip[:, :, 0])
        averaged = nn.functional.avg_pool2d(maps, kernel_size=3, stride=1, padding=1)
        maps = torch.cat([averaged, maps], dim=1)
        return self.last(nn.functional.max_pool2d(maps, 3, stride=2))


def test_pooling_by_functions_is_traced():
    """Cell 0 is centered on pixel 1 of the first map, which is on pixel 2 * 1 + 1 of the clip."""
    cells = trace_cells(FunctionalPools().eval(), "last", (1, 21, 29), (1, 4, 6))
    assert (cells.first_thw[1:], cells.step_thw[1:]) == ((3, 3), (4, 4))


def test_the_stages_of_inception_are_traced():
    """By hand, of its 3x3 layers: 1 + 2 + 0 + 2 + 4 + 4 + 8 pixels to the first, then 16 each."""
    image = timm.create_model("inception_v3", features_only=True)
    trunk = FrameWise(image, TemporalMean(2048)).eval()
    cells = trace_cells(trunk, "image.Mixed_6e", (1, 139, 171), (1, 7, 9))
    assert cells.first_thw[1:] == pytest.approx((21, 21))
    assert cells.step_thw[1:] == pytest.approx((16, 16))
