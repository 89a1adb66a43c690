"""Every family of transforms from the configuration to images."""

import math

import pytest
import torch
from rich.console import Console

from stn_action.build.model import build_network, example_clip
from stn_action.build.training_loss import build_objective
from stn_action.config.schema import load_config
from stn_action.errors import InputError
from stn_action.geometry.transforms import TRANSFORMS
from stn_action.predictor import Predictor
from stn_action.runs.attention_images import visualize
from stn_action.runs.train import train
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.regularizers import DiversityLoss, InBoundsLoss
from tests.runs.test_train import lines_of
from tests.tiny import tiny_config, tiny_settings

ONE_EPOCH = ("train.epochs=1", "optim.warmup_epochs=0", "eval.num_clips=1")
WINDOWS = {
    "translation": ("localization=heatmap", "localization_padding=replicate"),
    "attention": (
        "start=foreground", "localization=heatmap", "theta_per=step", "theta_smoothing=3",
    ),
    "anisotropic": ("start=foreground",),
}  # fmt: skip
"""Settings of the axis-aligned families that are tried with them."""


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_family_is_trained_evaluated_and_drawn(transform, tiny_data, tmp_path):
    folder = tmp_path / "run"
    focus = [f"model.focus.{setting}" for setting in (
        f"transform={transform}", "diversity_loss=0.1", *WINDOWS.get(transform, ()))]  # fmt: skip
    config = tiny_config(tiny_data, *ONE_EPOCH, *focus, f"train.output_dir={folder}")
    result = train(config, console=Console(quiet=True))
    assert 0 <= result.scores.numbers["top1"] <= 1
    (line,) = [line for line in lines_of(folder) if line["kind"] == "train"]
    figures = [line[f"heads/stage3.{head}/{name}"] for head in (0, 1) for name in (
        "spread", "displacement", "in_bounds", "scale", "overlap")]  # fmt: skip
    assert all(math.isfinite(figure) for figure in figures)
    trained = Predictor.load(folder / "last.pt", own_files=True)
    ((_, files),) = visualize(trained, _one_video(trained), tmp_path, make_mp4=False)
    assert files[0].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("glimpse", ["pooled", "in_line"])
def test_heads_at_several_stages_are_trained_cached_evaluated_and_drawn(
    glimpse, tiny_data, tmp_path
):
    folder = tmp_path / "run"
    focus = ["model.focus.at=[stage2, stage3]", f"model.focus.glimpse={glimpse}"]
    if glimpse == "in_line":
        focus += ["model.focus.heads=1", "model.focus.branch_loss=0"]
    else:  # on stored features
        focus += ["model.freeze_until=stage2", "train.cache_features=true"]
    train(
        tiny_config(tiny_data, *ONE_EPOCH, *focus, f"train.output_dir={folder}"),
        console=Console(quiet=True),
    )
    (line,) = [line for line in lines_of(folder) if line["kind"] == "train"]
    assert all(math.isfinite(line[f"heads/stage{at}.0/displacement"]) for at in (2, 3))
    trained = Predictor.load(folder / "last.pt", own_files=True)
    (video,) = _one_video(trained)
    (found,) = trained.predict_all([video])
    num_heads = 2 if glimpse == "in_line" else 4
    assert found.outlines().shape[2] == num_heads
    ((_, files),) = visualize(trained, [video], tmp_path, make_mp4=False)
    assert files[0].read_bytes().startswith(b"\x89PNG")


def _one_video(trained):
    from stn_action.build.data import load_listing

    return load_listing(trained.config).test[:1]


def test_a_head_warmup_keeps_theta_at_its_start(tiny_data, tmp_path):
    config = tiny_config(
        tiny_data, *ONE_EPOCH, "optim.head_warmup_epochs=1", f"train.output_dir={tmp_path / 'run'}"
    )
    train(config, console=Console(quiet=True))
    (line,) = [line for line in lines_of(tmp_path / "run") if line["kind"] == "train"]
    assert line["heads/stage3.0/displacement"] < 1e-6
    weights = load_checkpoint(tmp_path / "run" / "last.pt")["network"]
    assert weights["placements.0.readout.heads.localization.output.weight"].abs().max() == 0


def test_the_losses_of_the_heads_are_built_where_asked_for(tiny_data):
    settings = [
        "model.focus.diversity_loss=0.2", "model.focus.in_bounds_loss=0.3",
        "model.focus.random_glimpse_loss=0.4", "model.focus.branch_loss=0.5",
    ]  # fmt: skip
    loss = build_objective(tiny_config(tiny_data, *settings))
    assert loss.head_losses == (DiversityLoss(0.2), InBoundsLoss(0.3))
    assert (loss.random_glimpse_loss, loss.branch_loss) == (0.4, 0.5)
    assert (
        build_objective(tiny_config(tiny_data, *settings, "model.focus.heads=0")).head_losses == ()
    )
    plain_trunk = build_objective(tiny_config(tiny_data, "model.focus=null"))
    assert (plain_trunk.branch_loss, plain_trunk.head_losses) == (0, ())


def test_the_random_branch_is_built_where_it_has_a_weight(tiny_data):
    with_branch = build_network(tiny_config(tiny_data, "model.focus.random_glimpse_loss=1"), 3)
    without = build_network(tiny_config(tiny_data), 3)
    assert with_branch.random_windows is not None
    assert without.random_windows is None


def test_in_line_is_one_head_unless_the_trunk_takes_more_channels(tiny_data):
    in_line = "model.focus.glimpse=in_line", "model.focus.heads=1", "model.focus.bounded=false"
    config = tiny_config(tiny_data, *in_line)
    network = build_network(config, 3).eval()
    with torch.no_grad():
        assert network(example_clip(config)).logits.shape == (1, 3)
    with pytest.raises(InputError, match=r"'in_line' with heads 2: .* 2 times as many channels"):
        build_network(tiny_config(tiny_data, *in_line, "model.focus.heads=2"), 3)
    with pytest.raises(InputError, match=r"at \['stage1', 'stage2'\]: .* expected heads 1 at each"):
        tiny_config(tiny_data, *in_line, "model.focus={at: [stage1, stage2], heads: 2}")
    with pytest.raises(InputError, match=r"glimpse in_line: expected heads 1 or more"):
        load_config(None, tiny_settings(tiny_data, in_line[0], "model.focus.heads=0"))


def test_what_a_family_cannot_do_is_reported(tiny_data):
    volumetric = "model.focus.transform=volumetric"
    with pytest.raises(InputError, match=r"volumetric theta is one per clip"):
        build_network(tiny_config(tiny_data, volumetric, "model.focus.theta_per=step"), 3)
    with pytest.raises(InputError, match=r"'area' is for axis-aligned families; tps is not one"):
        build_network(
            tiny_config(tiny_data, "model.focus.transform=tps", "model.focus.sampler=area"), 3
        )
