"""The sections of a configuration, and loading one from a file and overrides.

A configuration is a YAML file with an optional `base:` (the path of another file, relative to this
one) and `key.sub=value` overrides from the command line. Each setting is documented below its
declaration, which also gives its type and range; unknown keys and values out of range are errors.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from stn_action.config.data_schema import DataConfig
from stn_action.config.explanation import explain
from stn_action.config.files import Settings, Tree, check_tree, read_layers, settings_from
from stn_action.config.model_schema import ModelConfig
from stn_action.config.types import (
    BatchSize,
    Count,
    Interval,
    NotNegative,
    Number,
    PathText,
    Positive,
    Section,
    Share,
    Switch,
    Text,
    Views,
    Whole,
)
from stn_action.config.yaml_text import dump_yaml
from stn_action.data.data_choices import DIGIT_SETS, IMAGE_SETS, ZoomFrom
from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.precision_choices import CachePrecision, Precision
from stn_action.training.training_choices import BatchNorm, OptimizerName, ScheduleName

MAX_GIBIBYTES = 64
"""Of the clips of one batch, or of the views of one test video."""


class OptimConfig(Section):
    """The optimizer, its learning rates, regularization and gradient clipping."""

    name: OptimizerName = "sgd"
    """Optimizer."""
    lr: Positive = 0.01
    """Base learning rate, reached after warm-up."""
    relative_lr: NotNegative = 1e-3
    """Learning rate of the localization networks relative to `lr`, usually 1e-3 to 1e-5; 0 freezes
    the heads at their initial windows."""
    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: NotNegative = 5e-4
    """Weight decay, not applied to norms, biases and localization networks."""
    schedule: ScheduleName = "cosine"
    """Learning rate after warm-up: cosine decay to zero, step (times `gamma` at each of the
    `milestones`), or constant."""
    milestones: tuple[Share, ...] = (1 / 3, 2 / 3)
    """Schedule step: where the rate changes, as shares of all optimizer steps, in order."""
    gamma: Share = 0.1
    """Schedule step: factor of the learning rate at each milestone."""
    warmup_epochs: NotNegative = 0.0
    """Epochs of linear warm-up from zero."""
    head_warmup_epochs: NotNegative = 0.0
    """Epochs in which the heads keep their initial windows while trunk and classifiers train."""
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is distributed evenly over all classes."""
    clip_grad_norm: Positive | None = None
    """Maximum gradient norm of everything but the localization networks; null: no clipping."""
    clip_localization_norm: Positive | None = 0.1
    """Maximum gradient norm of the localization networks, divided by their gain; null: no
    clipping."""

    @field_validator("milestones")
    @classmethod
    def _in_order(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError("expected shares in order, each larger than the one before")
        return milestones


class TrainConfig(Section):
    """Length, precision, feature cache and output of a training run."""

    epochs: Count = 30
    """Number of passes over the training videos."""
    batch_size: BatchSize = 16
    """Clips per batch, of all processes together: each takes its share of them."""
    seed: Whole = 0
    """Random seed."""
    precision: Precision = "auto"
    """Numeric precision; auto: bf16 on a GPU that supports it, float32 otherwise. On a CPU bf16
    takes about half the time where the processor has it; elsewhere it is float32, as fp16 is."""
    grad_accum_steps: Count = 1
    """Batches whose gradients are accumulated for one optimizer step."""
    batch_norm: BatchNorm = "synchronized"
    """Statistics of batch norm: those of the clips of all processes, of each process's share
    (faster; the result depends on the number of processes), or those of the weights file."""
    cache_features: Switch = False
    """Store the features of the frozen stages on disk, with model.focus.glimpse zoom those of the
    first look and the pixels; requires model.freeze_until."""
    cache_at: Text | None = None
    """Stage whose features are stored; null: model.freeze_until. An earlier one, for a read-out of
    its map on a trunk that stays frozen behind it."""
    cache_views: Views = 4
    """Augmented views stored per training video."""
    cache_precision: CachePrecision = "float32"
    """Numeric precision of the trunk that computes the features; bf16 takes about half the time on
    processors that have it and changes features by several percent; auto: bf16 on those."""
    cache_folder: PathText | None = None
    """Folder of the stored features; null: one in runs/cache named by data set, trunk and what the
    features depend on, which all runs with the same features share."""
    max_steps: Count | None = None
    """Stop after this number of optimizer steps; null: no limit."""
    eval_interval: Count = 5
    """Epochs between evaluations; the last epoch is always evaluated."""
    save_interval: Interval | None = "10 minutes"
    """Time or optimizer steps between saves of the state inside an epoch: `10 minutes`, `200
    steps`. A run that is killed loses no more than that; null: saved at the end of epochs only."""
    monitor: MetricName = "top1"
    """Metric that chooses best.pt on the validation videos; without any there is no best.pt."""
    output_dir: PathText | None = None
    """Run folder; null: a folder in runs/ named by data set, trunk and time."""


class EvalConfig(Section):
    """The test protocol."""

    num_clips: Views = 10
    """Clips per video, evenly spaced in time."""
    num_crops: Views = 3
    """Crops per clip, evenly spaced along the longer side; 1: the center crop."""
    batch_size: BatchSize = 16
    """Views (clips x crops) per batch."""
    zoom_from: ZoomFrom = "clip"
    """With `model.focus.glimpse` zoom: glimpses are cut out of the clip, or of what it shows at the
    source's own resolution, whatever `data.crop.size` is."""
    shuffled_theta: Switch = False
    """Evaluate a second time with theta shuffled across videos: accuracy drops if it matters."""


class Config(Section):
    """All settings of an experiment."""

    data: DataConfig
    """The labeled videos and how clips are made from them."""
    model: ModelConfig
    """The trunk, its weights and its heads."""
    optim: OptimConfig = OptimConfig()
    """The optimizer."""
    train: TrainConfig = TrainConfig()
    """Training."""
    eval: EvalConfig = EvalConfig()
    """Evaluation."""

    @property
    def zooms(self) -> bool:
        """Whether the network looks twice."""
        return self.model.focus is not None and self.model.focus.look_size is not None

    @model_validator(mode="after")
    def _cache_needs_frozen_stages(self) -> Self:
        if self.train.cache_features and self.model.freeze_until is None:
            raise ValueError(
                "train.cache_features: only frozen features can be cached; set model.freeze_until "
                "to the last frozen stage, or train.cache_features to false"
            )
        return self

    @model_validator(mode="after")
    def _cache_stage_needs_a_cache(self) -> Self:
        if self.train.cache_at is not None and not self.train.cache_features:
            raise ValueError(
                "train.cache_at: no features are stored; set train.cache_features=true, or "
                "train.cache_at to null"
            )
        return self

    @model_validator(mode="after")
    def _cache_has_one_person(self) -> Self:
        if self.train.cache_features and self.data.tubes.select == "all":
            raise ValueError(
                "train.cache_features: with data.tubes.select=all the number of samples differs "
                "between videos, but a cache stores the same number for each; choose another "
                "data.tubes.select, or set train.cache_features to false"
            )
        return self

    @model_validator(mode="after")
    def _zoom_has_pixels(self) -> Self:
        focus, size = self.model.focus, self.data.crop.size
        if focus is None or focus.look_size is None:
            if self.eval.zoom_from == "source":
                raise ValueError(
                    "eval.zoom_from source: expected clip, as model.focus.glimpse is not zoom"
                )
            return self
        if self.train.cache_features and self.eval.zoom_from == "source":
            raise ValueError(
                "eval.zoom_from source: expected clip with train.cache_features, which stores the "
                "pixels of clips; set that to false"
            )
        if focus.look_size[0] > size[0] or focus.look_size[1] > size[1]:
            raise ValueError(
                f"model.focus.look_size {list(focus.look_size)}: expected at most data.crop.size "
                f"{list(size)}, of which it is a reduced copy"
            )
        glimpse = focus.glimpse_size
        if glimpse is not None and (glimpse[0] > size[0] or glimpse[1] > size[1]):
            raise ValueError(
                f"model.focus.glimpse_size {list(glimpse)}: expected at most data.crop.size "
                f"{list(size)}, of which it is a part: pixels beyond would be invented"
            )
        return self

    @model_validator(mode="after")
    def _distorts_digits(self) -> Self:
        data = self.data
        if data.name not in DIGIT_SETS and data.distortion is not None:
            raise ValueError(
                f"data.distortion {data.distortion}: expected null with data.name {data.name}; "
                "only the digits of mnist and mnist_addition are distorted"
            )
        return self

    @model_validator(mode="after")
    def _images_have_one_frame(self) -> Self:
        data = self.data
        if data.name not in IMAGE_SETS:
            return self
        wanted: dict[str, tuple[object, object]] = {
            "data.clip.num_frames": (data.clip.num_frames, 1),
            "eval.num_clips": (self.eval.num_clips, 1),
        }
        if data.name in DIGIT_SETS:
            wanted |= {
                "data.people": (data.people, None),
                "data.manifest": (data.manifest, None),
                "data.regions": (data.regions, None),
                "eval.num_crops": (self.eval.num_crops, 1),
                "train.cache_features": (self.train.cache_features, False),
            }
        for key, (value, expected) in wanted.items():
            if value != expected:
                text = {None: "null", False: "false"}.get(expected, expected)
                raise ValueError(
                    f"{key}: expected {text} with data.name {data.name}, which is a set of images; "
                    f"got {value}"
                )
        return self

    @model_validator(mode="after")
    def _batches_fit_into_memory(self) -> Self:
        clip = self.data.clip.numbers(self.data.crop.size) * 4 / 2**30  # GiB of float32
        for key, clips in {
            "train.batch_size": self.train.batch_size,
            "eval.batch_size": self.eval.batch_size,
            "eval.num_clips x eval.num_crops": self.eval.num_clips * self.eval.num_crops,
        }.items():
            if clips * clip > MAX_GIBIBYTES:
                raise ValueError(
                    f"{key}: {clips} clips of data.clip.num_frames {self.data.clip.num_frames} and "
                    f"data.crop.size {list(self.data.crop.size)} take {clips * clip:.0f} GiB; "
                    f"expected at most {MAX_GIBIBYTES}, lower one of these"
                )
        return self


def load_config(path: str | Path | None, overrides: Sequence[str] = ()) -> Config:
    """Load the configuration of a YAML file, its bases and `key.sub=value` overrides.

    Args:
        path: the file; None: overrides only.
        overrides: applied in order; each value is read as the declared type of its key.

    Raises:
        InputError: a file or setting is wrong; the message names the file or override, the dotted
            key, what was expected and the nearest valid name.
    """
    layers = read_layers(Path(path)) if path is not None else []
    return _validated(settings_from(layers, overrides, Config))


def config_from_dict(tree: Tree, source: str, overrides: Sequence[str] = ()) -> Config:
    """Build the configuration from nested settings, e.g. those in a checkpoint.

    Args:
        tree: nested settings.
        source: their name in error messages, e.g. the checkpoint's path.
        overrides: as in `load_config`.

    Raises:
        InputError: as `load_config`.
    """
    check_tree(tree, source)
    return _validated(settings_from([(source, tree)], overrides, Config))


def to_dict(config: Config) -> Tree:
    """Return nested settings of plain JSON types, with all defaults."""
    return config.model_dump(mode="json")


def to_yaml(config: Config) -> str:
    """Return the text of a YAML file that `load_config` reads back as the same configuration."""
    return dump_yaml(to_dict(config))


def _validated(settings: Settings) -> Config:
    try:
        return Config.model_validate(settings.tree)
    except ValidationError as error:
        raise InputError(explain(error, settings, Config)) from None
