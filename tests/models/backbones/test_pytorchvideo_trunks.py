import warnings

import pytest
import torch
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_spec import PackedTrunk
from stn_action.models.backbones.backbone_table import BACKBONES, build_backbone
from stn_action.models.backbones.pytorchvideo_trunks import pack_pathways
from stn_action.models.plug import plug
from stn_action.models.receptive_field import trace_cells

SMALL = (2, 3, 4, 64, 64)
EXAMPLE = torch.zeros(1, *SMALL[1:])
WIDTHS = {"pytorchvideo/x3d_s": 2048, "pytorchvideo/slow_r50": 2048}


@pytest.fixture(scope="module", params=WIDTHS)
def backbone(request):
    """Built once; its classifier is taken off by the first test that plugs heads in."""
    return build_backbone(request.param)


def test_the_networks_are_the_librarys_with_400_scores(backbone):
    sizes = {"pytorchvideo/x3d_s": 3_794_274, "pytorchvideo/slow_r50": 32_454_096}
    trunk, name = backbone.trunk.eval(), backbone.spec.name
    assert sum(parameter.numel() for parameter in trunk.parameters()) == sizes[name]
    with torch.no_grad():
        assert trunk(torch.rand(SMALL)).shape == (2, 400)  # smaller than the fixed pool


@pytest.mark.parametrize("glimpse", ["tail", "pooled"])
def test_heads_plug_in_freeze_and_train_behind_a_stage(backbone, glimpse):
    name = backbone.spec.name
    model = plug(
        backbone.trunk, at="blocks.3", heads=2, num_classes=5, glimpse=glimpse, example=EXAMPLE
    )  # fmt: skip
    assert isinstance(model.trunk.blocks[-1].proj, nn.Identity)
    widths = 3 * WIDTHS[name] if glimpse == "tail" else WIDTHS[name] + 2 * model.heads.channels
    assert model.classifier.in_features == widths
    model.freeze_until("blocks.2", EXAMPLE)
    model.eval()
    clips = torch.rand(SMALL)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")  # the cells can be traced
        expected = model(clips)
        rest = model.behind("blocks.2", EXAMPLE)
        prediction = rest(model.stage_features(clips, "blocks.2"))
    assert expected.logits.shape == (2, 5)
    (focus,) = expected.focus
    assert focus.cells.size_thw == (4, 4, 4)
    assert focus.cells.first_thw == (0, 0, 0)
    assert focus.cells.step_thw == (1, 16, 16)
    assert prediction.focus[0].cells == focus.cells
    torch.testing.assert_close(prediction.logits, expected.logits)
    model.train()(clips).logits.square().sum().backward()
    assert (
        model.trunk.get_submodule("blocks.3").res_blocks[0].branch2.conv_a.weight.grad is not None
    )
    assert model.trunk.get_submodule("blocks.2").res_blocks[0].branch2.conv_a.weight.grad is None


def test_weights_come_from_a_file_with_any_classifier(tmp_path):
    state = build_backbone("pytorchvideo/x3d_s").trunk.state_dict()
    state["blocks.5.proj.weight"], state["blocks.5.proj.bias"] = (
        torch.zeros(5, 2048),
        torch.zeros(5),
    )
    torch.save({"model_state": state}, tmp_path / "x3d.pyth")
    trunk = build_backbone("pytorchvideo/x3d_s", weights=str(tmp_path / "x3d.pyth")).trunk
    name = "blocks.0.conv.conv_t.weight"
    torch.testing.assert_close(trunk.get_parameter(name), state[name])
    torch.save(
        {"model_state": {**state, "blocks.6.weight": torch.zeros(1)}}, tmp_path / "more.pyth"
    )
    with pytest.raises(
        InputError, match=r"1 of the file's \d+ tensors are unknown, 'blocks.6.weight'"
    ):
        build_backbone("pytorchvideo/x3d_s", weights=str(tmp_path / "more.pyth"))


def test_published_weights_are_those_of_the_library_from_pytorchs_cache(offline):
    state = build_backbone("pytorchvideo/x3d_s").trunk.state_dict()
    state["blocks.5.proj.bias"] = torch.arange(400.0)
    (offline / "checkpoints").mkdir()
    torch.save({"model_state": state}, offline / "checkpoints" / "X3D_S.pyth")
    trunk = build_backbone("pytorchvideo/x3d_s", weights="kinetics400").trunk
    torch.testing.assert_close(trunk.blocks[5].proj.bias, torch.arange(400.0))


@pytest.mark.parametrize(
    ("name", "file"), [("x3d_s", "X3D_S.pyth"), ("slow_r50", "SLOW_8x8_R50.pyth")]
)
def test_published_weights_that_cannot_be_downloaded_name_the_address_and_the_place(
    offline, name, file
):
    with pytest.raises(InputError, match=rf"kinetics400: https://\S*{file} .*no network") as told:
        build_backbone(f"pytorchvideo/{name}", weights="kinetics400")
    assert str(offline / "checkpoints" / file) in str(told.value)


def test_the_rows_are_the_librarys_networks_for_clips_of_kinetics():
    from pytorchvideo.models.hub import csn, r2plus1d, resnet, slowfast, vision_transformers, x3d

    files = (csn, r2plus1d, resnet, slowfast, vision_transformers, x3d)
    names = {name for file in files for name in file.checkpoint_paths}
    others = {name for name in names if name.endswith("detection")} | {"mvit_base_16"}  # images
    rows = {name.split("/")[1] for name in BACKBONES if name.startswith("pytorchvideo/")}
    assert rows == names - others


@pytest.mark.parametrize(("frames", "chosen"), [(32, [0, 4, 8, 13, 17, 22, 26, 31]), (4, [0])])
def test_the_slow_pathway_has_every_fourth_frame_from_the_first_to_the_last(frames, chosen):
    clip = torch.rand(2, 3, frames, 4, 5)
    slow, fast = pack_pathways(clip)
    assert torch.equal(slow, clip[:, :, chosen])
    assert fast is clip


def test_cells_of_the_slow_pathway_lie_from_the_first_to_the_last_frame():
    trunk = PackedTrunk(SlowOf(nn.Conv3d(3, 4, (1, 4, 4), (1, 4, 4))), pack_pathways)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # rounded to frames, they are traced
        cells = trace_cells(trunk, "network.stage", (32, 16, 24), (8, 4, 6))
    assert cells.first_thw == pytest.approx((0, 1.5, 1.5))
    assert cells.step_thw == pytest.approx((31 / 7, 4, 4))


class SlowOf(nn.Module):
    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def forward(self, pathways):
        return self.stage(pathways[0]).mean((2, 3, 4))


def test_clips_without_every_fourth_frame_are_refused():
    with pytest.raises(InputError, match=r"multiple of 4 frames, got 6 \(data.clip.num_frames"):
        pack_pathways(torch.zeros(1, 3, 6, 4, 4))
    with pytest.raises(InputError, match="multiple of 4 frames, got 6"):
        plug(
            nn.Sequential(PackedTrunk(nn.Identity(), pack_pathways)), at="0", num_classes=3,
            example=torch.zeros(1, 3, 6, 4, 4),
        )  # fmt: skip
