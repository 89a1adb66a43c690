"""Networks from configurations: every file that is shipped, and what is printed before a run."""

from pathlib import Path

import pytest
import torch

from stn_action.build.model import (
    build_network,
    config_of_checkpoint,
    example_clip,
    gain_of,
)
from stn_action.config.fingerprint import flatten
from stn_action.config.schema import load_config, to_dict
from stn_action.errors import InputError
from stn_action.models.backbones.small3d import Small3d
from stn_action.models.backbones.trunk_weights import reports_of
from stn_action.models.float32 import PixelNormalization
from stn_action.models.spatial_transformer import SpatialTransformer
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.optim import DEFAULT_GAIN
from tests.tiny import tiny_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("**/*.yaml"))
SMALLER = ("model.weights=none", "data.crop.size=48", "data.clip.num_frames=4")


def one_of_each_network(paths: list[Path]) -> list[Path]:
    """One of the configurations with the same `model` section: they build the same network."""
    return list({repr(to_dict(load_config(path))["model"]): path for path in paths}.values())


@pytest.mark.parametrize("path", one_of_each_network(CONFIGS), ids=lambda path: path.stem)
def test_the_network_of_every_shipped_configuration_is_built(path):
    of_images = path.parent.name == "paper"  # which are made for one size
    own = ("model.focus.glimpse_weights=none",) if "glimpse_weights" in path.read_text() else ()
    config = load_config(path, [*(SMALLER[:1] if of_images else SMALLER), *own])
    network = build_network(config, 7).eval()
    with torch.no_grad():
        prediction = network(example_clip(config).byte())
    assert prediction.logits.shape == (1, 7)
    heads = 0 if config.model.focus is None else config.model.focus.heads
    assert [focus.places.shape[:3] for focus in prediction.focus] == [(1, heads, 1)] * bool(heads)
    if config.model.focus is not None and config.model.focus.branch_loss == 0:
        assert prediction.branch_logits is None
    else:
        assert prediction.branch_logits is not None
        assert prediction.branch_logits.shape == (1, heads + 1, 7)


@pytest.mark.parametrize(
    "name", sorted({path.stem for path in CONFIGS} & {path.stem[:-3] for path in CONFIGS})
)
def test_a_configuration_without_heads_is_that_with_heads_but_for_them(name):
    without, with_heads = (
        flatten(to_dict(load_config(CONFIGS[0].parent / f"{stem}.yaml")))
        for stem in (name, f"{name}_st")
    )
    assert without.pop("model.focus") is None
    assert without == {
        key: value for key, value in with_heads.items() if not key.startswith("model.focus.")
    }


def test_a_head_in_line_starts_as_the_identity_as_in_the_library(tiny_data):
    settings = "{at: stage3, heads: 1, glimpse: in_line, bounded: false, transform: affine}"
    config = tiny_config(tiny_data, f"model.focus={settings}")
    heads = build_network(config, 3).heads
    own = SpatialTransformer(channels=4, transform="affine").heads
    assert heads is not None
    torch.testing.assert_close(heads.base, torch.eye(2, 3)[None])
    torch.testing.assert_close(heads.base, own.base)


def test_a_trunk_of_pytorchvideo_is_built_from_a_configuration(tiny_data):
    settings = "model.backbone=pytorchvideo/x3d_s", "model.focus.at=blocks.3"
    config = tiny_config(tiny_data, *settings, "model.freeze_until=blocks.2")
    network = build_network(config, 3).eval()
    with torch.no_grad():
        prediction = network(example_clip(config).byte())
    assert prediction.logits.shape == (1, 3)
    assert not any(p.requires_grad for p in network.trunk.get_submodule("blocks.2").parameters())
    assert isinstance(network.normalization, PixelNormalization)
    assert network.normalization.mean.flatten().tolist() == [114.75] * 3


def test_weights_are_not_looked_for_where_a_checkpoint_follows(tiny_data):
    config = tiny_config(tiny_data, "model.weights=nowhere.pt")
    build_network(config, 3, with_weights=False)
    with pytest.raises(InputError, match=r"model.weights: no file nowhere.pt"):
        build_network(config, 3)


def test_a_network_tells_what_was_loaded_into_its_trunk(tiny_data, tmp_path):
    state = {f"module.{name}": value for name, value in Small3d().state_dict().items()}
    torch.save(state, tmp_path / "small.pth")
    config = tiny_config(tiny_data, f"model.weights={tmp_path / 'small.pth'}")
    (report,) = reports_of(build_network(config, 3))
    assert report.lines() == [
        f"weights of {tmp_path / 'small.pth'}: matched 20 of 20 tensors",
        "  removed the prefix 'module.' of 24 names",
    ]


def test_a_checkpoint_from_before_there_was_a_padding_color_keeps_black(tiny_data):
    settings = to_dict(tiny_config(tiny_data))
    content = {"config": settings}
    assert config_of_checkpoint(content, "last.pt").data.crop.padding == "mean"
    del settings["data"]["crop"]["padding"]
    assert config_of_checkpoint(content, "last.pt").data.crop.padding == "black"
    given = ["data.crop.padding=mean"]
    assert config_of_checkpoint(content, "last.pt", given).data.crop.padding == "mean"


def test_an_unknown_stage_is_reported_with_those_there_are(tiny_data):
    with pytest.raises(
        InputError, match=r"no stage 'stage9'; did you mean 'stage\d'\? Stages: .*stage3"
    ):
        build_network(tiny_config(tiny_data, "model.focus.at=stage9"), 3)
    with pytest.raises(InputError, match=r"no stage 'nose'"):
        build_network(tiny_config(tiny_data, "model.freeze_until=nose"), 3)


def test_the_default_gain_is_the_optimizers_whatever_the_ratio(tiny_data):
    for name in ("sgd", "adamw"):
        for ratio in ("1e-3", "1e-5"):
            settings = f"optim.name={name}", f"optim.relative_lr={ratio}", "model.focus.gain=auto"
            assert gain_of(tiny_config(tiny_data, *settings)) == DEFAULT_GAIN[name]


@pytest.mark.parametrize(
    ("settings", "statistics", "affine"),
    [
        ([], True, True),
        (["train.batch_norm=frozen"], False, True),
        (["model.freeze_batch_norm=true"], False, False),
    ],
)
def test_batch_norm_is_frozen_as_the_settings_have_it(tiny_data, settings, statistics, affine):
    network = build_network(tiny_config(tiny_data, *settings), 3).train()
    norm = network.trunk.get_submodule("stage2.1")
    assert norm.training is statistics
    assert [p.requires_grad for p in norm.parameters()] == [affine] * 2
    assert network.trunk.get_parameter("stage2.0.weight").requires_grad


def test_a_trunk_goes_on_from_a_run_and_classifiers_and_heads_start_anew(tiny_data, tiny_run):
    weights = f"model.weights={tiny_run.folder / 'last.pt'}"
    trained = load_checkpoint(tiny_run.folder / "last.pt")["network"]
    network = build_network(tiny_config(tiny_data, weights), 7)  # of another data set
    for name, value in network.trunk.state_dict().items():
        assert torch.equal(value, trained[f"trunk.{name}"]), name
    assert network.classifier.weight.shape[0] == 7
    (report,) = reports_of(network)
    assert report.lines()[1] == "  the trunk of a run"
    copied = tiny_config(
        tiny_data, weights, "model.focus.at=stage1", "model.focus.localization=trunk",
        "model.focus.localization_stages=[stage2]", "model.focus.motion=false",
        "model.freeze_until=null", "train.cache_features=false",
    )  # fmt: skip
    network = build_network(copied, 7)
    for name, value in network.heads.localization.layers[0].state_dict().items():
        assert torch.equal(value, trained[f"trunk.stage2.{name}"]), name
    other = tiny_config(
        tiny_data, weights, "model.backbone=timm/resnet18", "model.focus=null",
        "model.freeze_until=null", "train.cache_features=false",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"last.pt: the trunk of this run is another one: .*Set"):
        build_network(other, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((), r"16 frames of 224x224 alone.*got \d+ frames of 48x48: .*size=224"),
        (("data.crop.size=224", "data.clip.num_frames=8"), r"got 8 .*num_frames=16 and data.crop"),
        (
            (
                "data.crop.size=224", "data.clip.num_frames=16", "model.focus.glimpse=zoom",
                "model.focus.look_size=224", "model.focus.glimpse_size=112",
            ),
            r"got 16 frames of 112x112: set .*num_frames=16 and model.focus.glimpse_size=224",
        ),
    ],
)  # fmt: skip
def test_a_trunk_of_one_size_names_the_settings_of_its_clips(changes, message):
    config = load_config(
        CONFIGS[0].parent / "ucf101_st.yaml",
        [
            "model.weights=none", "data.crop.size=48", "model.backbone=torchvision/mvit_v1_b",
            "model.focus.at=blocks.13", "model.freeze_until=null", *changes,
        ],
    )  # fmt: skip
    with pytest.raises(InputError, match=f"torchvision/mvit_v1_b takes clips of .*{message}"):
        build_network(config, 7)
