"""Files of other libraries: made of a network's own tensors by the inverse names, loaded back.

The inverse names are written out here by the sources that `weight_formats` names.
"""

import re

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import Bottleneck

from stn_action.errors import InputError
from stn_action.models.backbones.trunk_weights import load_weights, reports_of
from stn_action.models.backbones.weight_formats import inflated, translate

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # fvcore uses torch.jit.script


def video_resnet(kind: str) -> nn.Module:
    """A network of pytorchvideo with all blocks of its ResNet-50, an eighth as wide."""
    from pytorchvideo.models.resnet import create_resnet
    from pytorchvideo.models.slowfast import create_slowfast

    if kind == "slowfast":
        return create_slowfast(
            stem_dim_outs=(16, 2), model_num_class=7, slowfast_fusion_conv_stride=(4, 1, 1),
            head_pool_kernel_sizes=((2, 1, 1), (8, 1, 1)),
        )  # fmt: skip
    long, short = (3, 1, 1), (1, 1, 1)
    kernels = {
        "slow": (short, short, long, long),
        "c2d": (short,) * 4,
        "i3d": (long, [long, short], [long, short], [short, long]),
    }[kind]
    return create_resnet(
        stem_dim_out=8, model_num_class=7, head_pool_kernel_size=(1, 1, 1),
        stem_conv_kernel_size=(5, 7, 7) if kind == "i3d" else (1, 7, 7),
        stage1_pool=None if kind == "slow" else nn.MaxPool3d, stage_conv_a_kernel_size=kernels,
    )  # fmt: skip


def randomized(network: nn.Module) -> nn.Module:
    """Different numbers in every tensor, batch norm's too."""
    generator = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network


def stages_of(network: nn.Module) -> dict[str, int]:
    """The number of each block that has stages, from 1."""
    blocks = {n.split(".")[1] for n in network.state_dict() if "res_blocks" in n}
    return {block: number for number, block in enumerate(sorted(blocks, key=int), 1)}


def as_resnet(name: str, stages: dict[str, int]) -> str:
    """The name in an image ResNet of timm and torchvision."""
    for letter, number in zip("abc", "123", strict=True):
        name = name.replace(f"branch2.conv_{letter}", f"conv{number}")
        name = name.replace(f"branch2.norm_{letter}", f"bn{number}")
    name = name.replace("branch1_conv", "downsample.0").replace("branch1_norm", "downsample.1")
    name = re.sub(r"^blocks\.0\.conv\.", "conv1.", re.sub(r"^blocks\.0\.norm", "bn1", name))
    name = re.sub(r"^blocks\.\d+\.proj", "fc", name)
    return re.sub(r"^blocks\.(\d+)\.res_blocks", lambda m: f"layer{stages[m[1]]}", name)


def as_mmaction(name: str, *, shifted: bool = False) -> str:
    """The name of a tensor of an image ResNet in mmaction2."""
    name = re.sub(r"^fc\.", "cls_head.fc_cls.", name)
    name = re.sub(r"\bconv(\d)\.(?=weight)", r"conv\1.conv.", name)
    name = re.sub(r"\bbn(\d)\.", r"conv\1.bn.", name)
    name = name.replace("downsample.0", "downsample.conv").replace("downsample.1", "downsample.bn")
    if shifted:
        name = re.sub(r"(layer.*conv1\.conv)\.", r"\1.net.", name)
    return name if name.startswith("cls_head") else f"backbone.{name}"


def as_pyslowfast(name: str, stages: dict[str, int]) -> str:
    """The name in PySlowFast."""
    name = re.sub(r"^blocks\.\d+\.proj", "head.projection", name)
    name = re.sub(r"^blocks\.(\d+)", lambda m: f"s{stages.get(m[1], 0) + 1}", name)
    name = re.sub(r"multipathway_blocks\.(\d)\.", r"pathway\1_", name)
    name = re.sub(r"(s\d)\.multipathway_fusion\.conv_fast_to_slow", r"\1_fuse.conv_f2s", name)
    name = re.sub(r"(s\d)\.multipathway_fusion\.norm", r"\1_fuse.bn", name)
    if "pathway" not in name:
        name = re.sub(r"^(s\d)\.", r"\1.pathway0_", name)
    name = re.sub(r"pathway(\d)_(conv|norm)\.", r"pathway\1_stem.\2.", name)
    name = name.replace("stem.norm", "stem.bn").replace("res_blocks.", "res")
    name = name.replace("branch1_conv", "branch1").replace("branch1_norm", "branch1_bn")
    return re.sub(
        r"branch2\.(conv|norm)_([abc])",
        lambda m: f"branch2.{m[2]}" + "_bn" * (m[1] == "norm"),
        name,
    )


def check_loaded(network: nn.Module, path, content, optional=()) -> str:
    """Load into a changed copy, compare bit by bit, and return the report."""
    torch.save(content, path)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.zero_()
    load_weights(network, path, optional=optional)
    classifier = tuple(name for name in optional if name.endswith("."))
    for name, value in network.state_dict().items():
        if not name.startswith(classifier or "?"):
            assert torch.equal(value, before[name]), name
    (report,) = reports_of(network)
    assert report.matched == report.total
    return "\n".join(report.lines())


@pytest.mark.parametrize("kind", ["slow", "c2d", "i3d", "slowfast"])
def test_pyslowfast_loads_into_the_networks_of_pytorchvideo(tmp_path, kind):
    network = randomized(video_resnet(kind))
    stages = stages_of(network)
    names = {name: as_pyslowfast(name, stages) for name in network.state_dict()}
    assert len(set(names.values())) == len(names)
    assert {"s1.pathway0_stem.conv.weight", "s5.pathway0_res2.branch2.c_bn.running_var"} <= {
        *names.values()
    }
    assert ("s4_fuse.conv_f2s.weight" in names.values()) == (kind == "slowfast")
    state = {names[name]: value.clone() for name, value in network.state_dict().items()}
    content = {"epoch": 1, "model_state": state, "cfg": "TRAIN:"}
    assert "names of PySlowFast" in check_loaded(network, tmp_path / "a.pyth", content)


def test_the_slow_network_of_mmaction_loads_and_its_classifier_is_left_out(tmp_path):
    network = randomized(video_resnet("slow"))
    network.blocks[-1].proj = nn.Identity()
    stages = stages_of(network)
    state = {
        as_mmaction(as_resnet(name, stages)): value.clone()
        for name, value in network.state_dict().items()
    }
    state["cls_head.fc_cls.weight"] = torch.zeros(400, 256)
    assert {"backbone.conv1.bn.weight", "backbone.layer3.5.conv2.conv.weight"} <= {*state}
    assert "backbone.layer4.0.downsample.bn.running_mean" in state
    content = {"meta": {"epoch": 1}, "state_dict": state}
    text = check_loaded(network, tmp_path / "a.pth", content, ("blocks.5.proj.",))
    assert "names of mmaction2" in text
    assert f"removed the prefix 'backbone.' of {len(state) - 1} names" in text
    assert "left out 1 of the file, a classifier's: 'cls_head.fc_cls.weight'" in text


@pytest.mark.parametrize("shifted", [False, True])
def test_image_networks_of_mmaction_load_into_those_of_timm(tmp_path, shifted):
    network = randomized(timm.create_model("resnet26", features_only=True))
    state = {
        as_mmaction(name, shifted=shifted): value.clone()
        for name, value in network.state_dict().items()
    }
    assert ("backbone.layer1.0.conv1.conv.net.weight" in state) == shifted
    text = check_loaded(network, tmp_path / "a.pth", {"state_dict": state})
    assert ("trained with a temporal shift" in text) == shifted


def test_a_file_of_pytorchvideos_hub_loads_by_its_own_names(tmp_path):
    network = randomized(video_resnet("slow"))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    text = check_loaded(network, tmp_path / "a.pyth", {"model_state": state})
    assert text.endswith("matched 267 of 267 tensors")  # nothing else to tell


def test_prefixes_of_wrappers_are_removed(tmp_path):
    network = randomized(nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)))
    state = {f"module._orig_mod.{name}": v.clone() for name, v in network.state_dict().items()}
    text = check_loaded(network, tmp_path / "a.pth", state)
    assert "removed the prefix 'module.' of 7 names" in text
    assert "removed the prefix '_orig_mod.' of 7 names" in text


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        (
            "backbone.layer1.0.conv1.conv.conv_s.weight",
            (1,),
            r"R\(2\+1\)D of mmaction2, which pool",
        ),
        ("backbone.slow_path.conv1.conv.weight", (1,), "SlowFast of mmaction2, whose lateral"),
        ("backbone.conv1.conv.weight", (8, 3, 5, 7, 7), "I3D of mmaction2, whose stem"),
    ],
)
def test_networks_that_compute_something_else_are_refused(name, shape, reason):
    with pytest.raises(InputError, match=f"model.weights: a.pth: these are weights of {reason}"):
        translate({name: torch.zeros(shape)}, ["blocks.0.conv.weight"], "model.weights: a.pth")


def test_what_is_unknown_is_still_refused(tmp_path):
    network = video_resnet("slow")
    stages = stages_of(network)
    state = {
        as_mmaction(as_resnet(name, stages)): value for name, value in network.state_dict().items()
    }
    state["backbone.layer1.0.non_local_block.g.weight"] = torch.zeros(1)
    del state["backbone.layer2.0.conv1.conv.weight"]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"1 of 320 tensors are missing .*1 of the file's 320"):
        load_weights(network, tmp_path / "a.pth")


def image_resnet(width: int = 8) -> nn.Module:
    """ResNet-50 of torchvision's blocks, an eighth as wide, with its names."""
    network, inputs = nn.Module(), width
    network.conv1, network.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
    for number, depth in enumerate((3, 4, 6, 3)):
        planes, blocks = width * 2**number, []
        for index in range(depth):
            stride = 2 if index == 0 < number else 1
            shortcut = nn.Sequential(
                nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )
            blocks.append(Bottleneck(inputs, planes, stride, shortcut if index == 0 else None))
            inputs = 4 * planes
        network.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
    network.fc = nn.Linear(inputs, 5)
    return network.eval()


def map_of(network: nn.Module, images: Tensor) -> Tensor:
    x = functional.max_pool2d(torch.relu(network.bn1(network.conv1(images))), 3, 2, 1)
    return network.layer4(network.layer3(network.layer2(network.layer1(x))))


@pytest.mark.parametrize(("kind", "num_frames"), [("slow", 24), ("c2d", 2), ("i3d", 48)])
def test_an_inflated_trunk_has_the_images_map_on_equal_frames(tmp_path, kind, num_frames):
    image = image_resnet()
    torch.save(image.state_dict(), tmp_path / "resnet50.pth")
    video = video_resnet(kind).eval()
    load_weights(video, tmp_path / "resnet50.pth", optional=("blocks.5.proj.", "blocks.6.proj."))
    (report,) = reports_of(video)
    assert (report.matched, report.total) == (265, 267)
    assert "inflated 53 tensors: 2-D kernels repeated over time" in report.notes
    left_out = "left out 2 of the file, a classifier's: the first 'fc.bias', 'fc.weight'"
    assert left_out in report.notes
    frames = torch.rand(1, 3, 48, 64)
    clip = frames[:, :, None].expand(-1, -1, num_frames, -1, -1)
    with torch.no_grad():
        expected = map_of(image, frames)
        for block in video.blocks[:-1]:
            clip = block(clip)
    middle = clip[:, :, clip.shape[2] // 2]  # no padding in time reaches it
    torch.testing.assert_close(middle, expected, rtol=1e-3, atol=1e-4)
    assert expected.std(dim=(2, 3)).max() > 1e-3


def test_a_kernel_is_inflated_only_where_its_other_sides_agree():
    own = {"a": torch.zeros(2, 3, 5, 7, 7), "b": torch.zeros(2, 3, 5, 3, 3), "c": torch.zeros(2)}
    state = {"a": torch.rand(2, 3, 7, 7), "b": torch.rand(2, 3, 7, 7), "d": torch.rand(1, 1, 1, 1)}
    result, number = inflated(state, own)
    assert number == 1
    torch.testing.assert_close(result["a"].sum(2), state["a"])
    assert torch.equal(result["a"][:, :, 0], result["a"][:, :, 4])
    assert result["b"] is state["b"]
    assert result["d"] is state["d"]
