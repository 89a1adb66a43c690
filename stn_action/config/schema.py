"""The sections of an experiment's configuration, and how a file and overrides become one.

A configuration is a YAML file with an optional `base:` (the path of another file, relative to this
one) and `key.sub=value` overrides from the command line. Every setting has its meaning below it and
its range where it is declared; anything unknown, of a wrong type or out of range is refused.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from stn_action.config.data_schema import DataConfig
from stn_action.config.files import Settings, Tree, explain, read_layers, settings_from
from stn_action.config.types import (
    Count,
    NameOrNone,
    NotNegative,
    Number,
    Positive,
    Section,
    Share,
    Switch,
    Whole,
)
from stn_action.errors import InputError
from stn_action.geometry.transform_choices import Padding, TrainableSampler, TransformName
from stn_action.models.model_choices import (
    Glimpse,
    Temporal,
    ThetaPer,
    backbone_choices,
    is_backbone_name,
)
from stn_action.precision import Precision
from stn_action.training.training_choices import OptimizerName, ScheduleName


class FocusConfig(Section):
    """The spatial transformer heads and where they are plugged in."""

    at: str
    """Stage of the trunk whose feature map the heads look at, by its module path."""
    heads: Annotated[Whole, Field(ge=0)] = 4
    """Number of heads; 0: the plain trunk."""
    transform: TransformName = "attention"
    """Family of the windows: translation (place, fixed scale), attention (scale and place),
    anisotropic (a scale for each axis), similarity (and rotation), affine (all six numbers),
    projective, tps (thin-plate spline), volumetric (affine in space and time)."""
    bounded: Switch = True
    """Keep windows inside the map and their scale within bounds; false: theta = start + raw."""
    glimpse: Glimpse = "tail"
    """tail: glimpses run through the rest of the trunk; pooled: they are averaged at once;
    in_line: the one head's glimpse takes the map's place."""
    theta_per: ThetaPer = "clip"
    """One window per clip, or per time step of the feature map."""
    gain: Positive | Literal["auto"] = "auto"
    """Gain of the equalised localization network; auto: the optimizer family's default."""
    start_scale: Share | None = None
    """Side of every window at the start, as a share of the map's; null: the family's own start,
    1 (the identity) for one window with bounded: false, else 0.5."""
    min_scale: Share = 0.2
    """Bounded: smallest side of a window, as a share of the map's."""
    max_scale: Share = 0.95
    """Bounded: largest side of a window, as a share of the map's."""
    detach: Switch = True
    """Keep the localization network's gradients out of the trunk."""
    motion: Switch = True
    """Show the localization network how the map changes over time too."""
    sampler: TrainableSampler = "auto"
    """How glimpses are sampled; auto: area for axis-aligned families, grid for all others."""
    padding: Padding = "zeros"
    """What lies beyond the map."""
    branch_loss: NotNegative = 1.0
    """Weight of the auxiliary classifiers (one per branch) in the loss; 0: none are built."""
    diversity_loss: NotNegative = 0.0
    """Weight of the overlap between heads in the loss."""
    in_bounds_loss: NotNegative = 0.0
    """Weight of how far windows reach beyond the map in the loss; for bounded: false."""
    random_glimpse_loss: NotNegative = 0.0
    """Weight of one more branch, in training, that looks at a random window; 0: there is none."""

    @model_validator(mode="after")
    def _in_line_is_one(self) -> Self:
        if self.glimpse == "in_line" and (self.heads > 1 or self.random_glimpse_loss):
            raise ValueError("glimpse in_line: expected heads 1 and random_glimpse_loss 0")
        return self

    @model_validator(mode="after")
    def _scales_in_order(self) -> Self:
        start = 0.5 if self.start_scale is None else self.start_scale
        if self.bounded and not self.min_scale < start < self.max_scale:
            raise ValueError(
                "expected min_scale < start_scale < max_scale, got "
                f"{self.min_scale}, {start}, {self.max_scale}"
            )
        return self


class ModelConfig(Section):
    """The trunk, its weights and its heads."""

    backbone: str
    """torchvision/<video network>, pytorchvideo/<video network>, timm/<image network> (frame by
    frame), or small3d."""
    weights: NameOrNone = None
    """A published set (kinetics400, imagenet), the path of a weights file, or none."""
    freeze_until: str | None = None
    """Last stage that is frozen, its batch norm in evaluation mode; null: all of it learns."""
    temporal: Temporal = "mean"
    """Frame-wise trunks: average over time, or features and their differences between frames."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.5
    """Dropout before the classifiers."""
    focus: FocusConfig | None = None
    """The heads; null: the plain trunk."""

    @field_validator("backbone")
    @classmethod
    def _known_name(cls, backbone: str) -> str:
        if not is_backbone_name(backbone):
            raise ValueError(f"expected one of {backbone_choices()}")
        return backbone


class OptimConfig(Section):
    """The optimizer, its rates and what keeps it stable."""

    name: OptimizerName = "sgd"
    """The optimizer family."""
    lr: Positive = 0.01
    """Base learning rate, after warm-up."""
    relative_lr: NotNegative = 1e-3
    """Learning rate of the localization networks relative to lr: 1e-3 to 1e-5 is the documented
    range; 0 freezes the heads at their start."""
    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: NotNegative = 5e-4
    """Weight decay; norms, biases and localization networks have none."""
    schedule: ScheduleName = "cosine"
    """How the rates go on after warm-up: down to zero, or as they are."""
    warmup_epochs: NotNegative = 0.0
    """Epochs in which the rates rise linearly from zero."""
    head_warmup_epochs: NotNegative = 0.0
    """Epochs in which the heads stay at their start, while trunk and classifiers learn."""
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread evenly over the classes."""
    clip_grad_norm: Positive | None = None
    """Largest gradient norm of everything but the localization networks; null: no limit."""
    clip_localization_norm: Positive | None = 0.1
    """The same of the localization networks, after dividing by their gain; null: no limit."""


class TrainConfig(Section):
    """How long and how a run trains, and where it writes."""

    epochs: Count = 30
    """Passes over the training videos."""
    batch_size: Count = 16
    """Clips in a batch, for each process."""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """Seed of everything random."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU that has it, else float32."""
    grad_accum_steps: Count = 1
    """Batches whose gradients make one optimizer step."""
    cache_features: Switch = False
    """Keep the frozen stages' features on disk; needs model.freeze_until."""
    cache_views: Count = 4
    """Augmented views of a training video in that cache."""
    cache_folder: Path | None = None
    """Where that cache lies; null: under runs/cache, named by data and trunk."""
    max_steps: Count | None = None
    """End after this many optimizer steps, whatever the epochs; null: no limit."""
    eval_interval: Count = 5
    """Epochs from one evaluation to the next; the last epoch is always evaluated."""
    output_dir: Path | None = None
    """Run folder; null: one under runs/ named by data, trunk and time."""


class EvalConfig(Section):
    """The test protocol."""

    num_clips: Count = 10
    """Clips of a video, at equal distances."""
    num_crops: Count = 3
    """Views of a clip, at equal distances along the longer side; 1: the centre."""
    batch_size: Count = 16
    """Views that the network sees at once."""
    shuffled_theta: Switch = False
    """Evaluate a second time with theta shuffled across videos: attention that matters loses."""


class Config(Section):
    """A whole experiment."""

    data: DataConfig
    """The labelled videos and how clips are made from them."""
    model: ModelConfig
    """The trunk, its weights and its heads."""
    optim: OptimConfig = OptimConfig()
    """The optimizer."""
    train: TrainConfig = TrainConfig()
    """Training."""
    eval: EvalConfig = EvalConfig()
    """Evaluation."""

    @model_validator(mode="after")
    def _cache_needs_frozen_stages(self) -> Self:
        if self.train.cache_features and self.model.freeze_until is None:
            raise ValueError(
                "train.cache_features: only frozen features can be cached; set model.freeze_until "
                "to the last frozen stage, or train.cache_features to false"
            )
        return self

    @model_validator(mode="after")
    def _cache_has_one_person(self) -> Self:
        if self.train.cache_features and self.data.tubes.select == "all":
            raise ValueError(
                "train.cache_features: data.tubes.select=all gives each video another number of "
                "samples, a cache holds as many for each; choose another select or no cache"
            )
        return self


def load_config(path: str | Path | None, overrides: Sequence[str] = ()) -> Config:
    """The configuration of a YAML file, its bases and `key.sub=value` overrides.

    Args:
        path: the file; None: overrides only.
        overrides: applied in order; values are YAML, then read as the declared type.

    Raises:
        InputError: a file or setting is wrong; the message names the file or override, the dotted
            key, what was expected and the nearest valid name.
    """
    layers = read_layers(Path(path)) if path is not None else []
    return _validated(settings_from(layers, overrides))


def config_from_dict(tree: Tree, source: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration of nested settings, as `to_dict` gave them to a checkpoint.

    Args:
        tree: nested settings.
        source: what messages call them, e.g. the checkpoint's path.
        overrides: as in `load_config`.

    Raises:
        InputError: as `load_config`.
    """
    return _validated(settings_from([(source, tree)], overrides))


def to_dict(config: Config) -> Tree:
    """Nested settings of plain JSON types, all defaults filled in."""
    return config.model_dump(mode="json")


def to_yaml(config: Config) -> str:
    """The text of a YAML file that `load_config` reads back as the same configuration."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def _validated(settings: Settings) -> Config:
    try:
        return Config.model_validate(settings.tree)
    except ValidationError as error:
        raise InputError(explain(error, settings, Config)) from None
