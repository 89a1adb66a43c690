"""What a configuration does to batches and the loss of them."""

import pytest
import torch

from stn_action.build.training_loss import batch_transforms, build_objective
from stn_action.config.schema import config_from_dict, load_config, to_dict
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError
from stn_action.models.prediction import Prediction
from stn_action.training.mixing import Mixing
from stn_action.training.objective import ClassificationLoss

MINIMAL = [
    "data.name=sample", "data.root=data/sample", "model.backbone=small3d", "model.focus.at=stage3",
]  # fmt: skip


def listing_of(tmp_path, *labels) -> Listing:
    positions = len(labels[0]) if isinstance(labels[0], tuple) else 1
    rows = [Video(str(i), tmp_path / f"{i}.mp4", label, "") for i, label in enumerate(labels)]
    videos = VideoTable(rows, positions=positions)
    return Listing("tiny", ("a", "b"), videos, VideoTable(), videos)


def test_clips_are_mixed_as_configured(tmp_path):
    listing = listing_of(tmp_path, 0, 1)
    assert batch_transforms(load_config(None, MINIMAL), listing) == ()
    config = load_config(None, [*MINIMAL, "train.mixup=0.8", "train.mixup_prob=0.5"])
    assert batch_transforms(config, listing) == (Mixing(2, 0.8, None, 0.5, 0.5),)


def test_classes_at_several_positions_are_not_mixed(tmp_path):
    config = load_config(None, [*MINIMAL, "train.cutmix=1"])
    with pytest.raises(InputError, match=r"train\.cutmix: expected null, .* each of 2 positions"):
        batch_transforms(config, listing_of(tmp_path, (0, 1), (1, 1)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["train.cache_features=true", "model.freeze_until=stage3"], "with train.cache_features"),
        (["model.focus.readout=foreground"], "model.focus.readout foreground"),
        (["model.focus.start=foreground"], "model.focus.start foreground"),
    ],
)
def test_mixing_is_refused_where_a_clip_must_show_one_person(settings, message):
    with pytest.raises(InputError, match=rf"train\.mixup: expected null .*{message}"):
        load_config(None, [*MINIMAL, "train.mixup=0.2", *settings])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["train.repeated=3"], r"train: repeated 3: expected a divisor of batch_size 16"),
        (
            ["train.repeated=2", "train.cache_features=true", "model.freeze_until=stage3"],
            r"train\.repeated 2: expected 1 with train\.cache_features",
        ),
    ],
)
def test_repeats_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        load_config(None, [*MINIMAL, *settings])


def test_classes_are_weighted_by_the_videos_that_are_trained_on(tmp_path):
    config = load_config(None, [*MINIMAL, "optim.class_weights=balanced", "optim.focal_gamma=2"])
    loss = build_objective(config, listing_of(tmp_path, 0, 0, 0, 1).train, "ab")
    assert loss.class_weights == (4 / 6, 2.0)
    assert loss.focal_gamma == 2
    assert build_objective(load_config(None, MINIMAL)).class_weights is None
    with pytest.raises(InputError, match=r"optim\.class_weights: expected null, .* of 2 positions"):
        build_objective(config, listing_of(tmp_path, (0, 1)).train, "ab")


@pytest.mark.parametrize(
    ("given", "weights"), [("[1, 2.5]", (1, 2.5)), ("{b: 5}", (1, 5)), ("none", None)]
)
def test_classes_are_weighted_as_given(tmp_path, given, weights):
    config = load_config(None, [*MINIMAL, f"optim.class_weights={given}"])
    assert config_from_dict(to_dict(config), "again") == config
    loss = build_objective(config, listing_of(tmp_path, 0, 1).train, "ab")
    assert loss.class_weights == weights


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("[1, 2, 3]", r"expected 2 factors, one for each class \(a, b\), got 3"),
        ("{c: 2}", "there is no class 'c', expected names among a, b"),
    ],
)
def test_weights_of_other_classes_are_refused(tmp_path, given, message):
    config = load_config(None, [*MINIMAL, f"optim.class_weights={given}"])
    with pytest.raises(InputError, match=rf"optim\.class_weights: {message}"):
        build_objective(config, listing_of(tmp_path, 0, 1).train, "ab")


@pytest.mark.parametrize("given", ["[1, 0]", "{a: -1}", "equal", "3"])
def test_weights_that_are_none_are_refused(given):
    with pytest.raises(InputError, match=r"optim\.class_weights: expected .*'balanced'.*, got "):
        load_config(None, [*MINIMAL, f"optim.class_weights={given}"])


def test_weights_count_for_mixed_and_smoothed_targets_class_by_class():
    """By hand: the target (0.45, 0.55) of a mixed clip, smoothed by 0.1 to (0.455, 0.545)."""
    loss = ClassificationLoss(0.1, branch_loss=0.0, class_weights=(1.0, 3.0))
    logits = torch.tensor([[1.0, 0.0]])
    logs = logits.log_softmax(1)[0]
    found = loss(Prediction(logits, (), None), torch.tensor([[0.45, 0.55]]))
    assert float(found) == pytest.approx(float(-(0.455 * logs[0] + 3 * 0.545 * logs[1])))
