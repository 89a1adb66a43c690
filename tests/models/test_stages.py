import warnings

import pytest
import timm
import torch
from torch import nn
from torchvision.models.video import r2plus1d_18, r3d_18

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.backbones.backbone_table import FrameWise, Small3d
from stn_action.models.stages import (
    cut,
    evaluating,
    features_at,
    modules_before,
    stage,
    stage_names,
    trace_cells,
    with_time,
    without_time,
)
from stn_action.models.temporal import TemporalMean


class SkipNet(nn.Module):
    """A trunk that is no chain: what `first` gives is needed again behind `second`."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv3d(3, 4, 3, padding=1)
        self.second = nn.Conv3d(4, 4, 3, padding=1)
        self.third = nn.Conv3d(4, 4, 3, padding=1)
        self.unused = nn.Conv3d(4, 4, 1)

    def forward(self, clip):
        x = self.first(clip)
        return (self.third(self.second(x)) + x).mean((2, 3, 4))


@pytest.fixture(scope="module")
def lite0():
    """The frame-wise trunk of the shipped configuration, without weights."""
    image = timm.create_model("tf_efficientnet_lite0", features_only=True)
    return FrameWise(image, TemporalMean(320)).eval()


@pytest.fixture(scope="module")
def small3d():
    return Small3d().eval()


def test_stages_of_a_torchvision_network():
    names = stage_names(r2plus1d_18())
    assert names == ["stem", "layer1", "layer2", "layer3", "layer4", "fc"]


def test_stages_of_a_small_network(small3d):
    assert stage_names(small3d) == ["stem", "stage1", "stage2", "stage3"]


def test_stages_of_a_frame_wise_network(lite0):
    blocks = [f"image.blocks.{number}" for number in range(7)]
    assert stage_names(lite0) == ["image.conv_stem", "image.bn1", *blocks]


def test_containers_that_are_not_called_are_no_stages():
    trunk = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})
    assert stage_names(trunk) == ["blocks.0", "blocks.1"]


def test_an_unknown_stage_lists_the_valid_ones(small3d):
    with pytest.raises(InputError, match=r"no stage 'stage9'; did you mean 'stage\d'\? Stages: st"):
        stage(small3d, "stage9")
    with pytest.raises(InputError, match=r"'xyz'\. Stages: stem, stage1, stage2, stage3; any"):
        stage(small3d, "xyz")
    with pytest.raises(InputError, match="no stage ''"):
        stage(small3d, "")
    assert stage(small3d, "stage1.0") is small3d.stage1[0]


def test_features_are_those_of_the_stage_and_the_rest_is_not_run(small3d):
    clip = torch.rand(2, 3, 4, 32, 24)
    ran = []
    handle = small3d.stage2.register_forward_hook(lambda *_: ran.append(1))
    features = features_at(small3d, "stage1", clip)
    handle.remove()
    torch.testing.assert_close(features, small3d.stage1(small3d.stem(small3d.motion(clip))))
    assert not ran
    assert not small3d.stage1._forward_hooks


def test_a_stage_that_is_not_called_or_puts_out_no_map_is_told():
    with pytest.raises(InputError, match="'unused' does not take part"):
        features_at(SkipNet(), "unused", torch.zeros(1, 3, 2, 4, 4))
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(96, 5))
    with pytest.raises(InputError, match=r"puts out \(1, 5\), not a map .* an earlier stage"):
        features_at(trunk, "1", torch.zeros(1, 3, 2, 4, 4))
    with pytest.raises(InputError, match="puts out list, not a map"):
        with_time([torch.zeros(1)], 1)


def test_frames_folded_into_the_batch_are_unfolded_and_folded_again():
    folded = torch.arange(2 * 3 * 5 * 4 * 6.0).view(6, 5, 4, 6)  # two clips of three frames
    clips = with_time(folded, 2)
    assert clips.shape == (2, 5, 3, 4, 6)
    torch.testing.assert_close(clips[1, :, 2], folded[5])
    torch.testing.assert_close(without_time(clips, like=folded), folded)
    assert without_time(clips, like=clips) is clips


def test_the_rest_of_a_chain_takes_the_stages_maps(small3d):
    clip = torch.rand(2, 3, 4, 32, 32)
    rest = cut(small3d, "stage1", torch.zeros(1, 3, 4, 32, 32))
    with torch.no_grad():
        maps = small3d.stage1(small3d.stem(small3d.motion(clip)))
        torch.testing.assert_close(rest(maps), small3d(clip))
    assert rest.get_parameter("stage2.0.weight") is small3d.stage2[0].weight


def test_the_rest_of_a_frame_wise_chain_takes_clips_of_maps(lite0):
    clip = torch.rand(2, 3, 3, 64, 64)
    with torch.no_grad():
        maps = features_at(lite0, "image.blocks.3", clip)
        rest = cut(lite0, "image.blocks.3", torch.zeros(1, 3, 3, 64, 64))
        torch.testing.assert_close(rest(maps), lite0(clip))


def test_a_torchvision_network_can_be_cut_behind_a_stage():
    trunk = r3d_18().eval()
    clip = torch.rand(1, 3, 4, 32, 32)
    with torch.no_grad():
        rest = cut(trunk, "layer3", torch.zeros(1, 3, 4, 32, 32))
        torch.testing.assert_close(rest(features_at(trunk, "layer3", clip)), trunk(clip))


def test_a_trunk_that_is_no_chain_cannot_be_cut_there():
    example = torch.zeros(1, 3, 2, 8, 8)
    for place in ("second", "third"):
        with pytest.raises(InputError, match=f"cannot be cut behind '{place}'.*cache_features"):
            cut(SkipNet(), place, example)
    assert cut(SkipNet(), "first", example)(torch.zeros(1, 4, 2, 8, 8)).shape == (1, 4)


def test_modules_before_a_stage_have_finished_when_it_has(small3d):
    before = modules_before(small3d, "stage1.1", torch.zeros(1, 3, 2, 16, 16))
    stem = {"motion", "stem", "stem.0", "stem.1", "stem.2"}
    assert before == stem | {"stage1.0", "stage1.1"}


def test_looking_leaves_every_modules_mode_as_it_was():
    trunk = Small3d().train()
    trunk.stage1.eval()
    with evaluating(trunk):
        assert not any(module.training for module in trunk.modules())
        assert not trunk(torch.rand(1, 3, 2, 16, 16)).requires_grad
    assert trunk.stage2[1].training
    assert not trunk.stage1[1].training


def centre_of(trunk, path, clip_thw, cell):
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
        expected = centre_of(trunk, path, clip_thw, cell)
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
def test_what_cannot_be_traced_is_told_and_shared_out_evenly(trunk):
    with pytest.warns(UserWarning, match="cells of stage 'last' lie could not be traced"):
        cells = trace_cells(trunk, "last", (2, 8, 12), (2, 4, 6))
    assert cells == Cells.centred((2, 4, 6), (2, 8, 12))


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
