"""Shapes and cost against counts by hand; where cells look against what is built in."""

import pytest
import torch
from torch import nn

from stn_action.geometry.cells import Cells
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.trunk_description import describe_trunk

CLIP = torch.zeros(1, 3, 6, 32, 48)


def test_parameters_and_operations_are_those_counted_by_hand():
    described = describe_trunk(Small3d(), CLIP, ("stem", "stage1", "stage2", "stage3"))
    stem, stage1, *_ = described.stages
    assert stem.parameters == 3 * 16 * 25 + 2 * 16
    assert stem.gmacs == pytest.approx(6 * 16 * 24 * 3 * 25 * 16 / 1e9)
    assert stage1.gmacs == pytest.approx(6 * 8 * 12 * 16 * 27 * 32 / 1e9)
    assert described.gmacs == pytest.approx(sum(one.gmacs for one in described.stages))
    assert described.parameters == sum(p.numel() for p in Small3d().parameters())
    assert described.parameters == sum(one.parameters for one in described.stages)
    assert described.clip_thw == (6, 32, 48)


def test_maps_and_their_cells_are_those_of_the_stages():
    stem, stage1, *_ = describe_trunk(Small3d(), CLIP, ("stem", "stage1", "stage2")).stages
    assert (stem.channels, stem.size_thw, stem.step_thw) == (16, (6, 16, 24), (1, 2, 2))
    assert stem.field_thw == (2, 5, 5)  # the difference of two frames, a kernel of 5
    assert stage1.field_thw == (4, 9, 9)
    assert stem.shift_thw == pytest.approx((0, -0.5, -0.5))  # padded by 2 at both sides, stride 2
    assert stem.near == pytest.approx(1)
    assert stem.heads_pay


class Mixed(nn.Module):
    """A stage of pixels alone, and one that adds the mean of all pixels."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(3, 4, 1))
        self.second = nn.Sequential(MeanAdded(weight), nn.Conv3d(4, 4, 1))

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(clip)).mean((2, 3, 4))


class MeanAdded(nn.Module):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.weight * x.mean((2, 3, 4), keepdim=True)


@pytest.mark.parametrize(("weight", "local"), [(0.5, True), (20.0, False)])
def test_a_stage_that_sees_everything_is_not_local(weight, local):
    first, second = describe_trunk(Mixed(weight), torch.zeros(1, 3, 2, 8, 8)).stages
    assert (first.near, first.field_thw) == (1.0, (1, 1, 1))
    # 5 of 8 rows and columns are within half of the sides around a pixel
    inside = (5 / 8) ** 2
    expected = (1 + weight * inside) / (1 + weight)
    assert second.near == pytest.approx(expected, rel=0.02)
    assert second.field_thw == (2, 8, 8)
    assert second.is_local is second.heads_pay is local


def test_maps_of_few_cells_are_local_but_heads_do_not_pay_there():
    trunk = nn.Sequential(nn.Sequential(nn.Conv3d(3, 4, (1, 8, 8), (1, 8, 8)), nn.ReLU()))
    (stage,) = describe_trunk(trunk, torch.zeros(1, 3, 2, 24, 40)).stages
    assert stage.size_thw == (2, 3, 5)
    assert stage.is_local
    assert not stage.heads_pay


def test_tokens_are_a_map_where_their_grid_is_known():
    vit = build_backbone("timm/test_vit")
    described = describe_trunk(vit.trunk, vit.spec.example_clip(1, (32, 48)))
    assert {one.size_thw for one in described.stages} == {(1, 2, 3)}
    assert {one.step_thw for one in described.stages} == {(1, 16, 16)}
    assert {one.channels for one in described.stages} == {64}
    assert not any(one.heads_pay for one in described.stages)
    assert all(one.gmacs > 0 for one in described.stages)


class Pathways(nn.Module):
    """A stage of two maps, the first of half the frames."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(TwoMaps())

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return torch.cat([one.mean((2, 3, 4)) for one in self.stage(clip)], 1)


class TwoMaps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast = nn.Conv3d(3, 6, 1, (2, 1, 1)), nn.Conv3d(3, 4, 1)

    def forward(self, clip: torch.Tensor) -> list[torch.Tensor]:
        return [self.slow(clip), self.fast(clip)]


def test_of_several_maps_the_first_is_described():
    (stage,) = describe_trunk(Pathways(), torch.zeros(1, 3, 4, 8, 8)).stages
    assert (stage.channels, stage.size_thw, stage.step_thw) == (6, (2, 8, 8), (2, 1, 1))


def test_branches_that_start_switched_off_are_counted():
    trunk = build_backbone("timm/resnet10t").trunk  # its last norms start at a scale of 0
    by_scale = {}
    for scale in (0.0, 1.0):
        for name, parameter in trunk.named_parameters():
            if name.endswith("bn2.weight"):
                parameter.data.fill_(scale)
        stage = describe_trunk(trunk, torch.zeros(1, 3, 1, 64, 64)).stages[1]
        by_scale[scale] = stage.field_thw
    assert by_scale[0.0] == by_scale[1.0]
    assert not any(p.grad is not None for p in trunk.parameters())


def test_a_trunk_that_reads_numbers_in_its_forward_pass_is_run_as_it_is():
    class Reading(Mixed):
        def forward(self, clip):
            return super().forward(clip if float(clip.detach().mean()) < 9 else clip * 2)

    described = describe_trunk(Reading(1.0), torch.zeros(1, 3, 2, 8, 8))
    assert [one.size_thw for one in described.stages] == [(2, 8, 8)] * 2
    assert described.gmacs == pytest.approx((3 * 4 + 4 * 4) * 128 / 1e9)


def test_a_shift_is_the_distance_of_the_centers():
    even = Cells.centered((2, 4, 4), (4, 32, 32))
    assert even.first_thw == (0.5, 3.5, 3.5)
    trunk = nn.Sequential(nn.Sequential(nn.Conv3d(3, 4, (2, 8, 8), (2, 8, 8)), nn.ReLU()))
    (stage,) = describe_trunk(trunk, torch.zeros(1, 3, 4, 32, 32)).stages
    assert stage.shift_thw == pytest.approx((0, 0, 0))
    assert stage.step_thw == pytest.approx(even.step_thw)
