"""Settings for videos of your own, chosen by what a first look at them found.

Each has a reason, which becomes a comment in the file.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stn_action.config.yaml_text import dump_yaml
from stn_action.data.listing import Listing
from stn_action.jobs.video_survey import PeopleSample, Survey
from stn_action.runs.own_listing import groups_of_classes, number_of_own_folds

PRETRAINED = "timm/tf_efficientnet_lite0"
"""Trunk with weights; frame-wise, so that image weights are enough."""
FRAMES = 8
"""Of a clip."""
CLIP_SECONDS = 2.0
"""That a dense clip shows, where videos are long enough."""
TRIMMED_SECONDS = 10.0
"""Videos of this length at the median are taken as trimmed to the action."""
LEFT_TO_TRAIN = 5
"""Groups of the rarest class from which on some choose the best checkpoint."""
STEPS = 600
"""Of a training."""
DIRECTIONS = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)


class Setting(NamedTuple):
    """A line of the file."""

    section: str
    key: str
    value: str
    """YAML."""
    reason: str = ""


@dataclass(frozen=True)
class OwnVideos:
    """What is known of the videos."""

    name: str
    """`data.name`: folders or csv."""
    root: str
    listing: Listing
    """Without a test part: one pool."""
    survey: Survey
    people: str | None
    """The people file that there is, or will be; None: whole frames."""
    people_reason: str
    sample: PeopleSample | None
    """People in a few frames; None: nothing was searched."""
    weights: str | None
    """`model.weights` of `PRETRAINED`; None: none can be had, the trunk learns from scratch."""
    weights_reason: str
    manifest: str
    output_dir: str

    @property
    def folds(self) -> int | None:
        """Number of folds; None: the videos have a test part."""
        return number_of_own_folds(self.listing)

    @property
    def val_share(self) -> float:
        """Share of the training videos that choose the best checkpoint."""
        left = min(groups_of_classes(self.listing.train, len(self.listing.classes)))
        if self.folds is not None:
            left -= math.ceil(left / self.folds)
        return 0.2 if not self.listing.val and left >= LEFT_TO_TRAIN else 0.0

    @property
    def num_training(self) -> int:
        """Training videos that are left, about."""
        share = 1 if self.folds is None else 1 - 1 / self.folds
        return max(1, round(len(self.listing.train) * share * (1 - self.val_share)))


def choose_settings(own: OwnVideos) -> list[Setting]:
    """Return all settings that are written into the file, in order."""
    return [*_parts(own), *_clips(own), *_model(own), *_training(own)]


def _parts(own: OwnVideos) -> Iterator[Setting]:
    yield Setting("data", "name", own.name)
    yield Setting("data", "root", yaml_value(own.root))
    if own.folds is None:
        yield Setting("data", "folds", "null", "the videos have a test part of their own")
    else:
        yield Setting(
            "data", "folds", f"{own.folds}",
            f"no test part is given: one of {own.folds} folds is held out, whole groups and each "
            "class evenly"
            + (
                "; a file is a group: where several show the same person or recording, a CSV file "
                "with a column `group` keeps them together"
                if own.name == "folders" else ""
            ),
        )  # fmt: skip
        yield Setting("data", "fold", "1", "all: test on each fold in turn, and pool")
    reason = "of the training videos, in whole groups, to choose best.pt (0: none)"
    if own.listing.val:
        reason = "the videos have a validation part of their own"
    elif not own.val_share:
        reason = "too few videos of the rarest class to hold more out: report last.pt"
    yield Setting("data", "val_share", f"{own.val_share:g}", reason)
    people = "null" if own.people is None else yaml_value(own.people)
    yield Setting("data", "people", people, own.people_reason)
    yield Setting(
        "data", "manifest", yaml_value(own.manifest),
        "lengths and damage of all videos, which the check writes; null: do without",
    )  # fmt: skip
    number = 0 if own.sample is None else own.sample.people_per_frame
    crowd = f"{number} people are in most frames: " if number > 1 else ""
    yield Setting(
        "data", "tubes", "{select: longest}",
        f"{crowd}the person seen longest is shown; union: all, where they act together",
    )  # fmt: skip


def _clips(own: OwnVideos) -> Iterator[Setting]:
    size, reason = _crop_size(own)
    yield Setting(
        "data", "crop",
        f"{{looseness: 0.25, box_jitter: 0.1, beyond: fit, aspect: square, size: {size}, "
        "view_share: 1.0}",
        f"{reason}; fit: the crop is moved inside the frame, nothing is padded; `motion: follow` "
        "goes along with people who cross the frame",
    )  # fmt: skip
    yield Setting("data", "clip", *_clip(own))
    named = [name for name in own.listing.classes if DIRECTIONS.search(name)]
    hflip = 0 if named else 0.5
    yield Setting(
        "data", "augment", f"{{hflip: {hflip:g}, scale: [0.8, 1.0], color_jitter: 0.2}}",
        f"never mirrored: {named[0]} tells left from right" if named
        else "clips are mirrored: hflip 0 if left and right matter",
    )  # fmt: skip


def _crop_size(own: OwnVideos) -> tuple[int, str]:
    """Return the side of a clip and why: as many pixels as the crops have, within bounds."""
    if own.weights is None:
        return 96, "small clips for a small trunk"
    if own.people is not None and own.sample is not None and own.sample.side:
        shown, what = 1.5 * own.sample.side, f"people are about {own.sample.side} pixels high"
    else:
        shown, what = own.survey.short_side, f"frames are {own.survey.short_side} pixels high"
    size = min(224, max(160, 32 * math.ceil(shown / 32)))
    return size, f"{what}: {size} (160 to 224, of which the weights are)"


def _clip(own: OwnVideos) -> tuple[str, str]:
    """Return the frames of a clip and why."""
    seconds, short = own.survey.seconds(), own.survey.frames_at(0.1)
    middle = seconds[len(seconds) // 2]
    lengths = f"nine of ten videos have {short} frames or more"
    if own.weights is not None and middle <= TRIMMED_SECONDS:
        number = min(FRAMES, short)
        return (
            f"{{num_frames: {number}, sampling: segment}}",
            f"videos are short (median {middle:.1f} s): a clip has a frame of each of {number} "
            f"equal parts of a video; {lengths}",
        )
    wanted = max(1, round(CLIP_SECONDS * own.survey.fps / FRAMES))
    stride = max(1, min(wanted, (short - 1) // (FRAMES - 1)))
    span = (FRAMES - 1) * stride + 1
    fits = "" if stride == wanted else ", as much as fits into them"
    if span > short:
        fits = ", of which shorter ones repeat their last"
    return (
        f"{{num_frames: {FRAMES}, stride: {stride}}}",
        f"every {stride}. frame: a clip spans {span} frames, {span / own.survey.fps:.1f} s"
        f"{fits}; {lengths}",
    )


def _model(own: OwnVideos) -> Iterator[Setting]:
    if own.weights is None:
        yield Setting("model", "backbone", "small3d", f"from scratch: {own.weights_reason}")
        yield Setting("model", "dropout", "0.2")
        yield Setting(
            "model", "focus",
            "{at: stage3, heads: 4, transform: attention, glimpse: pooled, start_scale: 0.5, "
            "min_scale: 0.15}",
            HEADS,
        )  # fmt: skip
        return
    yield Setting("model", "backbone", PRETRAINED)
    yield Setting("model", "weights", yaml_value(own.weights), own.weights_reason)
    yield Setting(
        "model", "freeze_until", "image.blocks.6",
        "only what is behind this stage learns; its features are stored once (cache_features)",
    )  # fmt: skip
    yield Setting("model", "temporal", "difference")
    yield Setting("model", "dropout", "0.5")
    yield Setting(
        "model", "focus",
        "{at: image.blocks.6, heads: 4, transform: attention, glimpse: pooled, theta_per: clip, "
        "start_scale: 0.5, min_scale: 0.2}",
        HEADS,
    )  # fmt: skip


HEADS = "four windows; null: none, `readout: attention`: soft weights in their place"


def _training(own: OwnVideos) -> Iterator[Setting]:
    number = own.num_training
    batch = min(16, max(4, 2 ** int(math.log2(max(1, number / 4)))))
    epochs = min(60, max(20, math.ceil(STEPS / math.ceil(number / batch))))
    if own.weights is None:
        optim = (
            "{name: adamw, lr: 4.0e-3, relative_lr: 1.0e-3, weight_decay: 0.02, warmup_epochs: 2, "
            "label_smoothing: 0.05}"
        )
        views = "num_clips: 4, num_crops: 1"
    else:
        optim = (
            "{name: adamw, lr: 1.0e-3, relative_lr: 1.0e-3, weight_decay: 0.05, schedule: cosine, "
            "warmup_epochs: 2, label_smoothing: 0.1}"
        )
        views = "num_clips: 2, num_crops: 1"
    yield Setting("optim", "", optim)
    yield Setting("train", "epochs", f"{epochs}", f"about {STEPS} steps, within 20 and 60 epochs")
    yield Setting(
        "train", "batch_size", f"{batch}",
        f"about {number} clips are trained on: four steps an epoch or more, 4 to 16 clips",
    )  # fmt: skip
    if own.listing.multi_label:
        yield Setting("train", "monitor", "mean_ap", "videos have several labels")
    if own.weights is not None:
        yield Setting("train", "cache_features", "true")
        yield Setting("train", "cache_views", "4", "augmented views of each video that are stored")
    yield Setting(
        "train", "eval_interval", "5" if own.val_share or own.listing.val else f"{epochs}"
    )
    yield Setting("train", "output_dir", yaml_value(own.output_dir))
    yield Setting("eval", "", f"{{{views}, batch_size: 16}}")


def yaml_value(text: str) -> str:
    """Return a text as YAML on one line, quoted if need be."""
    plain = dump_yaml({"key": text}) == f"key: {text}\n"
    return text if plain else json.dumps(text, ensure_ascii=False)
