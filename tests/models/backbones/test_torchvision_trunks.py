import re

import pytest
import torch

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import BACKBONES, build_backbone

NAMES = [name for name in BACKBONES if name.startswith("torchvision/")]


def published(name):
    """The library's description of the weights that a row loads."""
    from torchvision import models

    return models.get_model_weights(name.removeprefix("torchvision/"))["KINETICS400_V1"]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_what_the_library_says_of_its_weights(name):
    spec, weights = BACKBONES[name], published(name)
    transforms = weights.transforms()
    assert spec.mean == pytest.approx([255 * value for value in transforms.mean])
    assert spec.std == pytest.approx([255 * value for value in transforms.std])
    assert list(spec.size_hw) == transforms.crop_size
    (rate,) = re.findall(r"frame_rate=([\d.]+)", weights.meta["_docs"])
    (length,) = re.findall(r"clip_len=(\d+)", weights.meta["_docs"])
    assert spec.num_frames == int(length)
    assert spec.stride == 30 / float(rate)


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t"])
def test_torchvision_trunks_end_in_scores_of_small_clips(name):
    trunk = build_backbone(f"torchvision/{name}").trunk
    with torch.no_grad():
        assert trunk.eval()(torch.zeros(1, 3, 8, 32, 32)).shape == (1, 400)


@pytest.mark.parametrize("name", NAMES)
def test_published_weights_are_those_of_kinetics_400_alone(name, offline):
    with torch.device("meta"), pytest.raises(InputError, match="kinetics400") as told:
        build_backbone(name, weights="kinetics400")
    assert published(name).url in str(told.value)


def test_weights_of_a_torchvision_model_fit_whatever_their_classifier(tmp_path):
    path = tmp_path / "r3d.pt"
    state = build_backbone("torchvision/r3d_18").trunk.state_dict()
    state["fc.weight"], state["fc.bias"] = torch.zeros(5, 512), torch.zeros(5)
    torch.save(state, path)
    trunk = build_backbone("torchvision/r3d_18", weights=str(path)).trunk
    torch.testing.assert_close(trunk.get_parameter("stem.0.weight"), state["stem.0.weight"])


def test_kinetics_weights_that_cannot_be_downloaded_name_the_url_and_the_place(offline):
    with pytest.raises(InputError, match=r"kinetics400: https://.*r3d_18.*\.pth .*no net") as told:
        build_backbone("torchvision/r3d_18", weights="kinetics400")
    assert str(offline / "checkpoints" / "r3d_18-") in str(told.value)
    assert "set model.weights to a file or to none" in str(told.value)


def test_a_broken_download_is_reported(offline):
    from torchvision.models.video import R3D_18_Weights

    name = R3D_18_Weights.KINETICS400_V1.url.rsplit("/", 1)[1]
    (offline / "checkpoints").mkdir()
    (offline / "checkpoints" / name).write_text("<html>Sign in to this network</html>")
    with pytest.raises(InputError, match=rf"tensors only\); .*{name} was tried first") as told:
        build_backbone("torchvision/r3d_18", weights="kinetics400")
    assert "weights_only" not in str(told.value)  # no advice to read it unsafely
