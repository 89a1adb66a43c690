"""Networks of every family of trunks as graphs: they compute what the original does."""

import onnxruntime
import pytest
import torch

from stn_action import plug
from stn_action.export.export_forms import onnx_model, traced
from stn_action.export.portable_network import TOLERANCE, PortableNetwork
from stn_action.models.backbones.backbone_spec import IMAGENET
from stn_action.models.backbones.backbone_table import build_backbone
from tests.token_models import MIDDLE_LAYERS, tiny_token_trunk

FAMILIES = {
    "torchvision/r3d_18": ("layer3", (8, 56, 56)),
    "torchvision/mc3_18": ("layer3", (8, 56, 56)),
    "torchvision/s3d": ("features.12", (16, 64, 64)),
    "torchvision/swin3d_t": ("features.4", (4, 64, 64)),
    "torchvision/mvit_v2_s": ("blocks.13", (16, 224, 224)),
    "pytorchvideo/x3d_xs": ("blocks.3", (4, 64, 64)),
    "pytorchvideo/slow_r50": ("blocks.3", (4, 64, 64)),
    "pytorchvideo/slowfast_r50": ("network.blocks.3", (32, 64, 64)),
    "pytorchvideo/csn_r101": ("blocks.3", (4, 64, 64)),
    "pytorchvideo/mvit_base_16x4": ("blocks.13", (16, 224, 224)),
    "timm/resnet18": ("image.layer3", (4, 64, 64)),
    "timm/swin_tiny_patch4_window7_224": ("image.layers_2", (2, 224, 224)),
    "timm/test_vit": ("image.model.blocks.3", (2, 160, 160)),
}
"""Backbone to a stage and the size of a clip, as small as it may be."""
POOLED_ALONE = {"timm/test_vit"}


@pytest.mark.slow
@pytest.mark.parametrize("glimpse", ["pooled", "tail"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_of_every_family_is_one_graph(name, glimpse, tmp_path):
    if glimpse == "tail" and name in POOLED_ALONE:
        pytest.skip("its glimpses are pooled alone")
    at, size = FAMILIES[name]
    backbone = build_backbone(name)
    network = plug(
        backbone.trunk, at=at, heads=2, num_classes=5, glimpse=glimpse,
        output=0 if "slowfast" in name else None, example=torch.zeros(1, 3, *size),
        mean=backbone.spec.mean, std=backbone.spec.std,
    )  # fmt: skip
    check_graphs(network, size, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("glimpse", ["pooled", "tail"])
@pytest.mark.parametrize("family", MIDDLE_LAYERS)
def test_a_small_video_transformer_is_one_graph(family, glimpse, tmp_path):
    trunk = tiny_token_trunk(family)
    size = trunk.clip_thw
    network = plug(
        trunk, at=MIDDLE_LAYERS[family], heads=2, num_classes=5, glimpse=glimpse,
        example=torch.zeros(1, 3, *size), mean=IMAGENET[0], std=IMAGENET[1],
    )  # fmt: skip
    check_graphs(network, size, tmp_path)


def check_graphs(network, size, tmp_path):
    """Compare a network with its program and its ONNX file."""
    portable = PortableNetwork(network).eval()
    clips = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        program = traced(portable, (clips,))
        wanted, found = portable(clips), program.module()(clips)
    (tmp_path / "network.onnx").write_bytes(onnx_model(program, ("clip",), ("a", "b", "c"), {}))
    session = onnxruntime.InferenceSession(
        tmp_path / "network.onnx", providers=["CPUExecutionProvider"]
    )
    one = session.run(None, {"clip": clips[:1].numpy()})
    for original, graph, onnx in zip(wanted, found, one, strict=True):
        torch.testing.assert_close(graph, original, atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(torch.from_numpy(onnx), original[:1], atol=TOLERANCE, rtol=0)
