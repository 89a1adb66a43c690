"""Rows and weights of video transformers of Hugging Face, with files that the library writes."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from stn_action.build.model import build_network
from stn_action.errors import InputError
from stn_action.models.backbones.backbone_table import BACKBONES, backbone_spec, build_backbone
from stn_action.models.backbones.trunk_weights import reports_of
from tests.tiny import tiny_config
from tests.token_models import TOKEN_MODELS

NAMES = {
    "videomae": "VideoMAE", "vivit": "Vivit", "timesformer": "Timesformer", "vjepa2": "VJEPA2"
}  # fmt: skip
OLD_NAMES = {"videomae", "vivit"}
"""Whose tensors have other names in files than in the library."""


def save_model(folder, family, suffix, **changes):
    """A model of the library, in eval mode, which has written its two files."""
    import transformers

    config = getattr(transformers, f"{NAMES[family]}Config")(**TOKEN_MODELS[family] | changes)
    model = getattr(transformers, f"{NAMES[family]}{suffix}")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.3)
    model.save_pretrained(folder)
    return model


def report_of(trunk):
    (report,) = reports_of(trunk)
    return "\n".join(report.lines())


@pytest.mark.parametrize("family", ["videomae", "vivit", "timesformer"])
def test_a_folder_that_the_library_wrote_is_a_trunk(tmp_path, family):
    model = save_model(tmp_path, family, "ForVideoClassification")
    name = f"hf/{tmp_path}"
    spec = backbone_spec(name)
    assert (spec.num_frames, *spec.size_hw) == (model.config.num_frames, *size_of(model.config))
    assert spec.published == ()
    assert spec.fixed_clip
    trunk = build_backbone(name, weights=str(tmp_path / "model.safetensors")).trunk.eval()
    clip = torch.rand(2, 3, spec.num_frames, *spec.size_hw)
    with torch.no_grad():
        torch.testing.assert_close(trunk(clip), model(clip.transpose(1, 2)).logits)
    total = len(trunk.state_dict())
    assert f"matched {total} of {total} tensors\n  removed the prefix" in report_of(trunk)
    assert ("names of an older version" in report_of(trunk)) == (family in OLD_NAMES)


def size_of(config):
    side = config.image_size
    return tuple(side) if isinstance(side, list) else (side, side)


@pytest.mark.parametrize("suffix", ["Model", "ForVideoClassification"])
def test_of_v_jepa_2_all_but_the_encoder_is_left_out(tmp_path, suffix):
    model = save_model(tmp_path, "vjepa2", suffix)
    trunk = build_backbone(f"hf/{tmp_path}", weights=str(tmp_path / "model.safetensors")).trunk
    encoder = model.encoder if suffix == "Model" else model.vjepa2.encoder
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(trunk.get_parameter(f"encoder.{name}"), value)
    assert re.search(
        r"left out \d+ of the file, of the pre-training: the first '", report_of(trunk)
    )


def test_videomae_of_the_pre_training_is_read_by_the_mean_of_its_tokens(tmp_path):
    decoder = {
        "decoder_hidden_size": 8, "decoder_num_hidden_layers": 1, "decoder_intermediate_size": 16,
        "decoder_num_attention_heads": 2,
    }  # fmt: skip
    changes = {"use_mean_pooling": False, **decoder}
    model = save_model(tmp_path, "videomae", "ForPreTraining", **changes)
    path = str(tmp_path / "model.safetensors")
    trunk = build_backbone(f"hf/{tmp_path}", weights=path).trunk.eval()
    clip = torch.rand(1, 3, *trunk.get_submodule("frames").clip_thw)
    with torch.no_grad():
        tokens = model.videomae(clip.transpose(1, 2)).last_hidden_state
        seen = trunk.features(clip.transpose(1, 2))  # type: ignore[operator]
        torch.testing.assert_close(seen, tokens.mean(1))
    assert "as initialized, not in the file: the first 'classifier.bias'" in report_of(trunk)


def test_a_file_that_lacks_a_tensor_is_refused(tmp_path):
    save_model(tmp_path, "videomae", "ForVideoClassification")
    state = load_file(tmp_path / "model.safetensors")
    bias = "videomae.encoder.layer.1.attention.attention.q_bias"
    save_file({n: v for n, v in state.items() if n != bias}, tmp_path / "less.safetensors")
    message = r"1 of 51 tensors are missing.*'encoder.layer.1.attention.attention.query.bias'"
    with pytest.raises(InputError, match=message):
        build_backbone(f"hf/{tmp_path}", weights=str(tmp_path / "less.safetensors"))
    save_file({**state, "fc_norm.gate": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(InputError, match=r"1 of the file's 52 .* unknown, 'fc_norm.gate'"):
        build_backbone(f"hf/{tmp_path}", weights=str(tmp_path / "more.safetensors"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache of the hub's files without a network: `hub / repository` is a folder of one."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(
        "huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path / "hub")
    )
    return tmp_path / "hub"


def repository_in(hub, name):
    """The folder of the files of a repository in the cache."""
    root = hub / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text("0" * 40)
    folder = root / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_repository_of_the_hub_is_a_trunk_with_its_weights(hub, file):
    folder = repository_in(hub, "someone/small")
    model = save_model(folder, "timesformer", "ForVideoClassification")
    if file == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / file)
    assert backbone_spec("hf/someone/small").published == ("pretrained",)
    trunk = build_backbone("hf/someone/small", weights="pretrained").trunk.eval()
    clip = torch.rand(1, 3, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(trunk(clip), model(clip.transpose(1, 2)).logits)


def test_what_cannot_be_downloaded_is_reported_with_a_way_out(hub):
    message = r"config.json of https://huggingface.co/someone/else could not be .*hf/FOLDER and"
    with pytest.raises(InputError, match=message):
        backbone_spec("hf/someone/else")
    with pytest.raises(
        InputError,
        match=r"kinetics400: model.safetensors or pytorch_model.bin of .*"
        r"MCG-NJU/videomae-base-finetuned-kinetics .*set model.weights to that file",
    ):
        build_backbone("hf/videomae_base", weights="kinetics400")
    with pytest.raises(InputError, match=r"has no published weights 'kinetics400'; expected pretr"):
        build_backbone("hf/vjepa2_vitl", weights="kinetics400")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model_type": "bert"}', r"of type 'bert'; expected videomae, vivit, timesf"),
        ("[1]", "holds no settings by name"),
        ("{", "cannot be read: JSONDecodeError"),
        ('{"model_type": "vivit", "hidden_size": "wide"}', r"json: no vivit model: .*hidden"),
        ('{"model_type": "videomae", "image_size": 32, "hidden_size": 10}', r"no videomae .*10"),
        ('{"model_type": "vivit", "tubelet_size": [2]}', r"config.json: no vivit model"),
        ('{"model_type": "timesformer", "patch_size": 0}', r"config.json: no timesformer model"),
        ('{"model_type": "vjepa2", "num_hidden_layers": 0}', r"config.json: no vjepa2 model"),
    ],
)  # fmt: skip
def test_a_folder_with_another_configuration_is_reported(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=message):
        build_backbone(f"hf/{tmp_path}")


def test_a_name_that_is_neither_row_nor_folder_lists_the_rows():
    with pytest.raises(
        InputError, match=r"no file .*videomae_bas/config.json; .*hf/videomae_base,"
    ):
        backbone_spec("hf/videomae_bas")


def test_the_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(InputError, match=r"not installed: pip install 'stn_action\[hf\]'"):
        build_backbone("hf/videomae_small")


def test_a_configuration_names_the_clips_of_its_video_transformer(tmp_path):
    numbers = TOKEN_MODELS["vjepa2"] | {"model_type": "vjepa2"}
    (tmp_path / "config.json").write_text(json.dumps(numbers))
    changes = [
        f"model.backbone=hf/{tmp_path}", "model.weights=none", "model.focus.at=encoder.layer.1",
        "model.freeze_until=null", "data.crop.size=32", "data.clip.num_frames=4",
    ]  # fmt: skip
    network = build_network(tiny_config(tmp_path, *changes), 7).eval()
    with torch.no_grad():
        clips = torch.zeros(1, 3, 4, 32, 32, dtype=torch.uint8)  # of another length than 6
        assert network(clips).logits.shape == (1, 7)
    with pytest.raises(InputError, match=r"takes clips of 4 frames of 32x32 alone.*crop.size=32"):
        build_network(tiny_config(tmp_path, *changes, "data.crop.size=48"), 7)


def test_the_rows_name_layers_at_the_ends_of_quarters():
    assert BACKBONES["hf/videomae_base"].stages[1] == "encoder.layer.5"
    assert BACKBONES["hf/vivit_b_16x2"].stages == ("layers.2", "layers.5", "layers.8", "layers.11")
    assert BACKBONES["hf/vjepa2_vitg"].stages[-1] == "encoder.layer.39"
