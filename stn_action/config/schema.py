"""The sections of a configuration, and loading one from a file and overrides.

A configuration is a YAML file with an optional `base:` (the path of another file, relative to this
one) and `key.sub=value` overrides from the command line. Each setting is documented below its
declaration, which also gives its type and range; unknown keys and values out of range are errors.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, model_validator

from stn_action.config.data_schema import DataConfig
from stn_action.config.files import Settings, Tree, explain, read_layers, settings_from
from stn_action.config.types import (
    Count,
    Interval,
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
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.geometry.transform_choices import Padding, TrainableSampler, TransformName
from stn_action.models.model_choices import (
    BACKBONE_LIBRARIES,
    BACKBONES_BY_NAME,
    Glimpse,
    Temporal,
    ThetaPer,
    backbone_choices,
    is_backbone_name,
)
from stn_action.precision_choices import Precision
from stn_action.training.training_choices import OptimizerName, ScheduleName


def _known_backbone(name: str) -> str:
    if not is_backbone_name(name):
        raise ValueError(f"expected one of {backbone_choices()}")
    return name


BackboneName = Annotated[
    str,
    AfterValidator(_known_backbone),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(BACKBONES_BY_NAME)},
                {"type": "string", "pattern": f"^({'|'.join(BACKBONE_LIBRARIES)})/."},
            ]
        }
    ),
]


class FocusConfig(Section):
    """The spatial transformer heads."""

    at: str
    """Stage of the trunk whose feature map the heads attend to, by module path."""
    heads: Annotated[Whole, Field(ge=0)] = 4
    """Number of heads; 0: none, the plain trunk."""
    transform: TransformName = "attention"
    """Family of the windows: translation (fixed scale), attention (scale and translation),
    anisotropic (one scale per axis), similarity (scale, rotation, translation), affine (six
    parameters), projective, tps (thin-plate spline), volumetric (affine in space and time)."""
    bounded: Switch = True
    """Keep windows inside the map and their scale within bounds; false: theta = start + output of
    the localization network."""
    glimpse: Glimpse = "tail"
    """tail: glimpses pass through the rest of the trunk; pooled: glimpses are averaged; in_line:
    the glimpse of a single head replaces the map."""
    theta_per: ThetaPer = "clip"
    """One window per clip, or one per time step of the feature map."""
    gain: Positive | Literal["auto"] = "auto"
    """Gain of the equalized localization network; auto: the default of the optimizer."""
    start_scale: Share | None = None
    """Initial side of each window, as a share of the map's side; null: the family's default, which
    is 1 (the identity) for one unbounded window and 0.5 otherwise."""
    min_scale: Share = 0.2
    """Bounded windows: smallest side, as a share of the map's side."""
    max_scale: Share = 0.95
    """Bounded windows: largest side, as a share of the map's side."""
    detach: Switch = True
    """Stop the gradients of the localization network before the trunk."""
    motion: Switch = True
    """Add the change of the map over time to the input of the localization network."""
    sampler: TrainableSampler = "auto"
    """Sampling of glimpses; auto: area for axis-aligned families, grid for all others."""
    padding: Padding = "zeros"
    """Values outside the map: zeros, or the nearest border pixel."""
    branch_loss: NotNegative = 1.0
    """Loss weight of the auxiliary classifiers, one per branch; 0: no auxiliary classifiers."""
    diversity_loss: NotNegative = 0.0
    """Loss weight of the overlap between heads."""
    in_bounds_loss: NotNegative = 0.0
    """Loss weight of the part of a window outside the map; for unbounded windows."""
    random_glimpse_loss: NotNegative = 0.0
    """Loss weight of an additional training branch with a random window; 0: no such branch."""

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

    backbone: BackboneName
    """torchvision/<video network>, pytorchvideo/<video network>, timm/<image network> (frame by
    frame), or small3d."""
    weights: NameOrNone = None
    """Published weights (kinetics400, imagenet), the path of a weights file, or none."""
    freeze_until: str | None = None
    """Last frozen stage; its batch norm stays in evaluation mode. null: train all of the trunk."""
    temporal: Temporal = "mean"
    """Image trunks: mean over time, or features together with their differences between frames."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.5
    """Dropout probability before the classifiers."""
    focus: FocusConfig | None = None
    """The heads; null: none, the plain trunk."""


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
    """Learning rate after warm-up: cosine decay to zero, or constant."""
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


class TrainConfig(Section):
    """Length, precision, feature cache and output of a training run."""

    epochs: Count = 30
    """Number of passes over the training videos."""
    batch_size: Count = 16
    """Clips per batch and process."""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """Random seed."""
    precision: Precision = "auto"
    """Numeric precision; auto: bf16 on a GPU that supports it, float32 otherwise."""
    grad_accum_steps: Count = 1
    """Batches whose gradients are accumulated for one optimizer step."""
    cache_features: Switch = False
    """Store the features of the frozen stages on disk; requires model.freeze_until."""
    cache_views: Count = 4
    """Augmented views stored per training video."""
    cache_folder: Path | None = None
    """Folder of the stored features; null: a folder in runs/cache named by data set and trunk."""
    max_steps: Count | None = None
    """Stop after this number of optimizer steps; null: no limit."""
    eval_interval: Count = 5
    """Epochs between evaluations; the last epoch is always evaluated."""
    save_interval: Interval | None = "10 minutes"
    """Time or optimizer steps between saves of the state inside an epoch: `10 minutes`, `200
    steps`. A run that is killed loses no more than that; null: saved at the end of epochs only."""
    monitor: MetricName = "top1"
    """Metric that chooses best.pt on the validation videos; without any there is no best.pt."""
    output_dir: Path | None = None
    """Run folder; null: a folder in runs/ named by data set, trunk and time."""


class EvalConfig(Section):
    """The test protocol."""

    num_clips: Count = 10
    """Clips per video, evenly spaced in time."""
    num_crops: Count = 3
    """Crops per clip, evenly spaced along the longer side; 1: the center crop."""
    batch_size: Count = 16
    """Views (clips x crops) per batch."""
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
                "train.cache_features: with data.tubes.select=all the number of samples differs "
                "between videos, but a cache stores the same number for each; choose another "
                "data.tubes.select, or set train.cache_features to false"
            )
        return self


def load_config(path: str | Path | None, overrides: Sequence[str] = ()) -> Config:
    """Load the configuration of a YAML file, its bases and `key.sub=value` overrides.

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
    """Build the configuration from nested settings, e.g. those in a checkpoint.

    Args:
        tree: nested settings.
        source: their name in error messages, e.g. the checkpoint's path.
        overrides: as in `load_config`.

    Raises:
        InputError: as `load_config`.
    """
    return _validated(settings_from([(source, tree)], overrides))


def to_dict(config: Config) -> Tree:
    """Return nested settings of plain JSON types, with all defaults."""
    return config.model_dump(mode="json")


def to_yaml(config: Config) -> str:
    """Return the text of a YAML file that `load_config` reads back as the same configuration."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def _validated(settings: Settings) -> Config:
    try:
        return Config.model_validate(settings.tree)
    except ValidationError as error:
        raise InputError(explain(error, settings, Config)) from None
