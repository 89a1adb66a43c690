import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import BACKBONES, build_backbone
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.backbones.huggingface_trunks import NOT_OF_TRUNK
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.backbones.trunk_weights import fitting_weights, load_weights
from stn_action.models.temporal import TemporalDifference
from stn_action.weights import read_state_dict
from tests.meta_trunks import meta_trunk
from tests.token_models import TOKEN_MODELS, tiny_token_trunk

LITE0 = "timm/tf_efficientnet_lite0"


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
    load_weights(trunk, path, optional=("fc.",))
    torch.testing.assert_close(trunk.stem[0].weight, state["stem.0.weight"])
    with pytest.raises(InputError, match=r"1 of the file's 25 tensors are unknown, 'fc.weight'"):
        load_weights(trunk, path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pt", None, r"no file .*absent.pt; expected .pt, .pth or .safetensors"),
        ("text.pt", b"not a checkpoint\n", "text.pt holds no weights"),
        ("empty.pth", b"", "empty.pth holds no weights"),
        ("text.safetensors", b"not a checkpoint\n", "text.safetensors holds no weights"),
    ],
)
def test_a_file_without_weights_is_reported(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"model.weights: .*{message}"):
        build_backbone("small3d", weights=str(path))


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, {"state_dict": {"a": "b"}}])
def test_a_torch_file_that_is_no_state_dict_is_reported(tmp_path, content):
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


def test_weights_of_another_model_are_reported(tmp_path):
    path = tmp_path / "wide.pt"
    torch.save(Small3d((16, 32, 64, 96)).state_dict(), path)
    message = r"wide.pt: .*do not fit the backbone: 5 of 24 .*the first 'stage3.0.weight'"
    with pytest.raises(InputError, match=message):
        build_backbone("small3d", weights=str(path))
    with pytest.raises(InputError, match=r"do not fit the backbone.*with its library's names"):
        build_backbone(LITE0, weights=str(path))


def test_a_temporal_module_needs_no_weights_in_the_file(tmp_path):
    path = tmp_path / "image.pt"
    image = nn.Conv2d(3, 4, 3)
    torch.save({f"image.{key}": value for key, value in image.state_dict().items()}, path)
    trunk = FrameWise(nn.Conv2d(3, 4, 3), TemporalDifference(4))
    load_weights(trunk, path, optional=("temporal.",))
    torch.testing.assert_close(trunk.get_parameter("image.weight"), image.weight)


def test_missing_and_surplus_tensors_are_both_reported(tmp_path):
    state = Small3d().state_dict()
    kept = {name: value for name, value in state.items() if not name.startswith("stage3.")}
    renamed = {f"trunk.{name}": state[name] for name in state if name.startswith("stage3.")}
    torch.save({**kept, **renamed}, tmp_path / "renamed.pt")
    message = (
        r"5 of 24 tensors are missing or of another shape, the first 'stage3.0.weight', "
        r"'stage3.1.weight', 'stage3.1.bias'; 5 of the file's 24 tensors are unknown, "
        r"the first 'trunk.stage3.0.weight', 'trunk.stage3.1.weight', 'trunk.stage3.1.bias'"
    )
    with pytest.raises(InputError, match=message):
        load_weights(Small3d(), tmp_path / "renamed.pt")


def test_a_tensor_that_is_optional_by_its_name_alone_is_no_prefix(tmp_path):
    torch.save(
        {**Small3d().state_dict(), "fc": torch.zeros(1), "fcn": torch.zeros(1)}, tmp_path / "a.pt"
    )
    with pytest.raises(InputError, match=r"1 of the file's 26 tensors are unknown, 'fcn'"):
        load_weights(Small3d(), tmp_path / "a.pt", optional=("fc",))


FAMILIES = [
    "torchvision/r3d_18", "torchvision/r2plus1d_18", "torchvision/s3d", "torchvision/mvit_v2_s",
    "torchvision/swin3d_t", "pytorchvideo/x3d_xs", "pytorchvideo/slow_r50", "pytorchvideo/c2d_r50",
    "pytorchvideo/csn_r101", "pytorchvideo/r2plus1d_r50", "pytorchvideo/slowfast_r50",
    "pytorchvideo/mvit_base_16x4", "small3d",
]  # fmt: skip
SMALL = {"torchvision/r3d_18", "torchvision/swin3d_t", "pytorchvideo/slow_r50", "small3d"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in SMALL else [pytest.mark.slow]) for n in FAMILIES]
)
def test_a_state_without_any_one_tensor_is_refused(name):
    spec = BACKBONES[name]
    own = meta_trunk(spec).state_dict()
    own = {key.removeprefix("network."): value for key, value in own.items()}
    classifier = {key for key in own if spec.classifier and key.startswith(spec.classifier)}
    if spec.classifier:
        assert {own[key].shape[0] for key in classifier} == {400}
        assert len(classifier) == 2
    check_every_tensor(own, classifier, (spec.classifier,) if spec.classifier else ())


@pytest.mark.parametrize("family", TOKEN_MODELS)
def test_a_state_of_a_video_transformer_without_any_one_tensor_is_refused(family):
    own = tiny_token_trunk(family).state_dict()
    classifier = {key for key in own if key.startswith("classifier.")}
    assert len(classifier) == (0 if family == "vjepa2" else 2)
    check_every_tensor(own, classifier, NOT_OF_TRUNK)


def check_every_tensor(own, classifier, optional):
    """Delete, rename and reshape each tensor in turn."""
    assert fitting_weights(own, own, optional=optional).keys() == own.keys()
    for key in own:
        if key in classifier or key.endswith("num_batches_tracked"):
            continue
        without = {other: value for other, value in own.items() if other != key}
        renamed = {**without, f"{key}_ema": own[key]}
        reshaped = {**own, key: torch.empty(*own[key].shape, 2, device="meta")}
        for state in (without, renamed, reshaped):
            with pytest.raises(InputError, match=r"1 of .* missing or of another shape") as told:
                fitting_weights(own, state, optional=optional)
            assert repr(key) in str(told.value)
        assert repr(f"{key}_ema") in _message(own, {**own, f"{key}_ema": own[key]}, optional)
    other = {key: value[:5] if key in classifier else value for key, value in own.items()}
    assert fitting_weights(own, other, optional=optional).keys() == own.keys() - classifier


def _message(own, state, optional):
    with pytest.raises(InputError, match="unknown") as told:
        fitting_weights(own, state, optional=optional)
    return str(told.value)
