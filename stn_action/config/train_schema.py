"""The `optim` and `train` sections of a configuration."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stn_action.config.types import (
    BatchSize,
    Count,
    Interval,
    NotNegative,
    Number,
    PathText,
    Positive,
    Probability,
    Repeats,
    Section,
    Share,
    Switch,
    Text,
    Views,
    Whole,
)
from stn_action.data.data_choices import BatchSampling
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.precision_choices import CachePrecision, Precision
from stn_action.training.training_choices import BatchNorm, OptimizerName, ScheduleName


class OptimConfig(Section):
    """The optimizer, its learning rates, regularization and gradient clipping."""

    name: OptimizerName = "sgd"
    """Optimizer."""
    lr: Positive = 0.01
    """Base learning rate, reached after warm-up."""
    relative_lr: NotNegative = 1e-3
    """Learning rate of the localization networks relative to `lr`, usually 1e-3 to 1e-5; 0 freezes
    the heads at their initial windows."""
    layer_decay: Share | None = None
    """Layer-wise decay of the learning rate: each stage of the trunk learns at this multiple of the
    rate of the stage behind it, the last one at `lr`; 0.65 to 0.9 is usual; null: none."""
    lr_factors: dict[Text, Positive] | None = None
    """Factors of learning rates by parameter name, as in `{"trunk.layer4.*": 0.5}`: patterns as of
    file names (`*`, `?`, `[...]`), of which the last that matches counts. They multiply
    `layer_decay` and `relative_lr`; null: none."""
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
    class_weights: Literal["balanced"] | tuple[Positive, ...] | dict[Text, Positive] | None = None
    """Factors of the loss of each class. balanced: by how rare it is among the training videos, so
    that all classes count alike; a list: a factor for each class in their order, which is that of
    the confusion matrix; or by name, as in `{fall: 5}`, the others 1; null: none, each class counts
    by its videos. With several labels they are factors of the labels that are there; mixup and
    label smoothing weight each class's part of a target by that class's factor."""
    focal_gamma: Positive | None = None
    """Focal loss (Lin et al. 2017): clips count the less the better they are classified, by the
    factor (1 - probability)^gamma, usually 2; null: cross-entropy."""
    clip_grad_norm: Positive | None = None
    """Maximum gradient norm of everything but the localization networks; null: no clipping."""
    clip_localization_norm: Positive | None = 0.1
    """Maximum gradient norm of the localization networks, divided by their gain; null: no
    clipping."""

    @field_validator("lr_factors", mode="before")
    @classmethod
    def _factors_above_0(cls, factors: Any) -> Any:
        if isinstance(factors, dict):
            for pattern, factor in factors.items():
                if factor == 0 and not isinstance(factor, bool):
                    raise ValueError(
                        f"{pattern}: expected a factor above 0; to keep stages of the trunk as "
                        "they are, freeze them by model.freeze_until"
                    )
        return factors

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
    sampling: BatchSampling = "shuffled"
    """shuffled: an epoch has each training video once; class_balanced: it has as many, drawn so
    that all classes are equally frequent (of several labels, by the rarest one of a video), with
    new random views of those that are drawn again."""
    repeated: Repeats = 1
    """Repeated augmentation (Hoffer et al. 2020, arXiv 1901.09335): a batch has this number of
    random views of each of its videos, each decoded once; a divisor of `batch_size`. An epoch has
    that many times as many clips."""
    seed: Whole = 0
    """Random seed."""
    precision: Precision = "auto"
    """Numeric precision; auto: bf16 on a GPU that supports it, float32 otherwise. On a CPU bf16
    takes about half the time where the processor has it; elsewhere it is float32, as fp16 is."""
    compile: Switch = False
    """Compile trunk and heads by `torch.compile`: faster steps, after minutes of compiling at the
    start; needs a C++ compiler. Results differ by rounding; checkpoints are the same."""
    channels_last: Switch = False
    """Store the trunk's weights, and so its maps, with their channels last, in training, tests and
    predictions: faster for image trunks, on a CPU slower for networks of clips. Results differ by
    rounding."""
    grad_accum_steps: Count = 1
    """Batches whose gradients are accumulated for one optimizer step."""
    mixup: Positive | None = None
    """Mixup: alpha of the beta distribution of the weight by which the clips of a batch are mixed,
    0.2 to 0.8; null: none. Training accuracy is then that of mixed clips."""
    cutmix: Positive | None = None
    """Cutmix: alpha of the beta distribution of the area that a clip keeps, usually 1; the rest of
    all its frames is another clip's; null: none."""
    mixup_prob: Probability = 1.0
    """Probability that a batch is mixed, by mixup or cutmix."""
    mixup_switch_prob: Probability = 0.5
    """Probability that a batch is mixed by cutmix where there are both."""
    batch_norm: BatchNorm = "synchronized"
    """Statistics of batch norm: those of the clips of all processes, of each process's share
    (faster; the result depends on the number of processes), or those of the weights file."""
    cache_features: Switch = False
    """Store the features of the frozen stages on disk, with model.focus.glimpse zoom those of the
    first look and the pixels; requires model.freeze_until. Stored are the random views of training
    videos and the test views of the others; evaluations of the checkpoint read them too."""
    cache_at: Text | None = None
    """Stage whose features are stored; null: model.freeze_until. An earlier one, for a read-out of
    its map on a trunk that stays frozen behind it."""
    cache_also: tuple[Text, ...] = ()
    """Further stages whose features are stored in the same pass over the videos, each in the folder
    of its own that a run with `cache_at` of that stage reads."""
    cache_views: Views = 4
    """Augmented views stored per training video."""
    cache_precision: CachePrecision = "float32"
    """Numeric precision of the trunk that computes the features; bf16 takes about half the time on
    processors that have it and changes features by several percent; auto: bf16 on those."""
    cache_folder: PathText | None = None
    """Folder of the stored features; null: one in runs/cache named by data set, trunk, stage, size
    of the clips and a digest of what the features depend on, which all runs with the same features
    share."""
    max_steps: Count | None = None
    """Stop after this number of optimizer steps; null: no limit."""
    eval_interval: Count = 5
    """Epochs between evaluations; the last epoch is always evaluated."""
    save_interval: Interval | None = "10 minutes"
    """Time or optimizer steps between saves of the state inside an epoch: `10 minutes`, `200
    steps`. A run that is killed loses no more than that; null: saved at the end of epochs only."""
    monitor: MetricName = "top1"
    """Metric that chooses best.pt on the validation videos; without any there is no best.pt."""
    patience: Count | None = None
    """Early stopping: training ends after this number of evaluations in a row, one every
    `eval_interval` epochs, in which `monitor` was not better than before on the validation videos.
    It needs some: test videos never decide. null: all epochs are trained."""
    output_dir: PathText | None = None
    """Run folder; null: a folder in runs/ named by data set, trunk and time."""

    @model_validator(mode="after")
    def _whole_videos(self) -> Self:
        if self.batch_size % self.repeated:
            raise ValueError(
                f"repeated {self.repeated}: expected a divisor of batch_size {self.batch_size}"
            )
        return self

    @property
    def mixes(self) -> Literal["mixup", "cutmix"] | None:
        """The setting by which clips are mixed; None: they are not."""
        if self.mixup is not None:
            return "mixup"
        return None if self.cutmix is None else "cutmix"
