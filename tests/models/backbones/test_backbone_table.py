import urllib.error

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import (
    IMAGENET,
    KINETICS,
    TORCHVISION,
    FrameWise,
    Small3d,
    build_backbone,
    load_weights,
)
from stn_action.models.stages import features_at
from stn_action.models.temporal import TemporalDifference, TemporalMean
from stn_action.weights import read_state_dict

LITE0 = "timm/tf_efficientnet_lite0"
WEIGHTS = "models/tf_efficientnet_lite0.imagenet.safetensors"


@pytest.mark.parametrize("model", TORCHVISION)
def test_torchvision_trunks_end_in_scores(model):
    backbone = build_backbone(f"torchvision/{model}")
    assert (backbone.mean, backbone.std) == KINETICS
    with torch.no_grad():
        assert backbone.trunk.eval()(torch.zeros(1, 3, 2, 32, 32)).shape == (1, 400)


def test_the_small_trunk_halves_the_map_three_times():
    backbone = build_backbone("small3d")
    assert (backbone.mean, backbone.std) == IMAGENET
    trunk, clip = backbone.trunk, torch.rand(2, 3, 4, 48, 32)
    assert trunk(clip).shape == (2, 64)
    assert features_at(trunk, "stem", clip).shape == (2, 16, 4, 24, 16)
    assert features_at(trunk, "stage1", clip).shape == (2, 32, 4, 12, 8)
    assert features_at(trunk, "stage3", clip).shape == (2, 64, 2, 6, 4)
    still = clip[:, :, :1].expand_as(clip)
    assert not trunk.motion(still).any()
    torch.testing.assert_close(trunk.motion(clip)[:, :, -1], 2 * (clip[:, :, 3] - clip[:, :, 2]))
    assert 150_000 < sum(parameter.numel() for parameter in trunk.parameters()) < 250_000


@pytest.mark.parametrize(("temporal", "width"), [("mean", 320), ("difference", 128)])
def test_an_image_network_runs_on_every_frame(temporal, width):
    backbone = build_backbone(LITE0, temporal=temporal)
    assert backbone.mean == backbone.std == (127.5, 127.5, 127.5)
    with torch.no_grad():
        assert backbone.trunk.eval()(torch.rand(2, 3, 3, 64, 64)).shape == (2, width)


def test_frames_are_described_one_by_one_and_joined_over_time():
    image = nn.Conv2d(3, 4, 3)
    clip = torch.rand(2, 3, 5, 8, 6)
    frames = [image(clip[:, :, t]).mean((2, 3)) for t in range(5)]
    trunk = FrameWise(image, TemporalMean(4))
    torch.testing.assert_close(trunk(clip), torch.stack(frames, 1).mean(1))


def test_an_unknown_backbone_lists_the_choices():
    for name in ("r3d_18", "torchvision/r4d", "resnet18", "small3d/big"):
        with pytest.raises(InputError, match=r"one of torchvision/r3d_18, torch.*small3d, got"):
            build_backbone(name)
    with pytest.raises(InputError, match=r"timm has no model 'tf_lite9'; near: .*tf_"):
        build_backbone("timm/tf_lite9")
    with pytest.raises(InputError, match="no model 'qqq'; near: none"):
        build_backbone("timm/qqq")
    with pytest.raises(InputError, match="temporal must be one of"):
        build_backbone(LITE0, temporal="median")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_weights_come_from_a_file(tmp_path, suffix):
    path = tmp_path / f"small{suffix}"
    state = Small3d().state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    loaded = build_backbone("small3d", weights=str(path)).trunk.state_dict()
    for key, value in state.items():
        torch.testing.assert_close(loaded[key], value)


def test_a_state_dict_may_lie_in_a_checkpoint_and_hold_a_classifier_too(tmp_path):
    path = tmp_path / "checkpoint.pt"
    state = Small3d().state_dict()
    torch.save({"state_dict": {**state, "fc.weight": torch.zeros(5, 64)}}, path)
    trunk = Small3d()
    load_weights(trunk, path)
    torch.testing.assert_close(trunk.stem[0].weight, state["stem.0.weight"])


def test_weights_of_a_torchvision_model_fit_whatever_their_classifier(tmp_path):
    path = tmp_path / "r3d.pt"
    state = build_backbone("torchvision/r3d_18").trunk.state_dict()
    state["fc.weight"], state["fc.bias"] = torch.zeros(5, 512), torch.zeros(5)
    torch.save(state, path)
    trunk = build_backbone("torchvision/r3d_18", weights=str(path)).trunk
    torch.testing.assert_close(trunk.get_parameter("stem.0.weight"), state["stem.0.weight"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pt", None, r"no file .*absent.pt; expected .pt, .pth or .safetensors"),
        ("text.pt", b"not a checkpoint\n", "text.pt holds no weights"),
        ("empty.pth", b"", "empty.pth holds no weights"),
        ("text.safetensors", b"not a checkpoint\n", "text.safetensors holds no weights"),
    ],
)
def test_a_file_without_weights_is_told(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"model.weights: .*{message}"):
        build_backbone("small3d", weights=str(path))


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, {"state_dict": {"a": "b"}}])
def test_a_torch_file_that_is_no_state_dict_is_told(tmp_path, content):
    torch.save(content, tmp_path / "list.pt")
    with pytest.raises(InputError, match=r"list.pt holds no state dict"):
        read_state_dict(tmp_path / "list.pt", "model.weights")


class Unsafe:
    """What a file could run when it is unpickled."""

    def __reduce__(self):
        return print, ("this must never be run",)


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    torch.save({"weight": Unsafe()}, tmp_path / "unsafe.pt")
    with pytest.raises(InputError, match=r"unsafe.pt holds no weights"):
        read_state_dict(tmp_path / "unsafe.pt", "model.weights")
    assert "this must never be run" not in capsys.readouterr().out


def test_weights_of_another_model_are_told(tmp_path):
    path = tmp_path / "wide.pt"
    torch.save(Small3d((16, 32, 64, 96)).state_dict(), path)
    message = r"wide.pt: .*do not fit the backbone: 5 of 24 .*the first 'stage3.0.weight'"
    with pytest.raises(InputError, match=message):
        build_backbone("small3d", weights=str(path))
    with pytest.raises(InputError, match=r"do not fit the backbone.*timm's or torchvision's names"):
        build_backbone(LITE0, weights=str(path))


def test_a_temporal_module_needs_no_weights_in_the_file(tmp_path):
    path = tmp_path / "image.pt"
    image = nn.Conv2d(3, 4, 3)
    torch.save({f"image.{key}": value for key, value in image.state_dict().items()}, path)
    trunk = FrameWise(nn.Conv2d(3, 4, 3), TemporalDifference(4))
    load_weights(trunk, path)
    torch.testing.assert_close(trunk.get_parameter("image.weight"), image.weight)


def test_the_real_weights_give_features_that_tell_pictures_apart(shared):
    trunk = build_backbone(LITE0, weights=str(shared / WEIGHTS)).trunk.eval()
    stripes = torch.ones(1, 3, 1, 64, 64)
    stripes[..., ::8, :] = -1
    with torch.no_grad():
        features = trunk(torch.cat([stripes, stripes.transpose(-1, -2), -stripes]))
    assert features.isfinite().all()
    assert features.std() > 0.01
    assert torch.pdist(features).min() > 0.1 * features.norm(dim=1).min()


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Downloads end at once; the place that PyTorch keeps them in is empty."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    return tmp_path


def test_kinetics_weights_that_cannot_be_had_name_the_url_and_the_place(offline):
    with pytest.raises(InputError, match=r"kinetics400: https://.*r3d_18.*\.pth .*no net") as told:
        build_backbone("torchvision/r3d_18", weights="kinetics400")
    assert str(offline / "checkpoints" / "r3d_18-") in str(told.value)
    assert "set model.weights to a file or to none" in str(told.value)


def test_a_broken_download_is_told(offline):
    from torchvision.models.video import R3D_18_Weights

    name = R3D_18_Weights.KINETICS400_V1.url.rsplit("/", 1)[1]
    (offline / "checkpoints").mkdir()
    (offline / "checkpoints" / name).write_text("<html>Sign in to this network</html>")
    with pytest.raises(InputError, match=rf"tensors only\); it was looked for in .*{name}") as told:
        build_backbone("torchvision/r3d_18", weights="kinetics400")
    assert "weights_only" not in str(told.value)  # no advice to read it unsafely


def test_imagenet_weights_that_cannot_be_had_are_told(monkeypatch):
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", _refuse)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", _refuse)
    with pytest.raises(InputError, match=r"imagenet: .*tf_efficientnet_lite0 could not be down"):
        build_backbone(LITE0, weights="imagenet")


def _refuse(*args, **kwargs):
    raise urllib.error.URLError("no network")
