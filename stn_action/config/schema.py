"""The sections of a configuration, and loading one from a file and overrides.

A configuration is a YAML file with an optional `base:` (the path of another file, relative to this
one) and `key.sub=value` overrides from the command line. Each setting is documented below its
declaration, which also gives its type and range; unknown keys and values out of range are errors.
"""

from pathlib import Path
from typing import Self

from pydantic import ValidationError, model_validator

from stn_action.config.data_schema import DataConfig
from stn_action.config.explanation import explain
from stn_action.config.files import (
    Overrides,
    Settings,
    Tree,
    check_tree,
    read_layers,
    settings_from,
)
from stn_action.config.model_schema import ModelConfig
from stn_action.config.shipped_files import config_file
from stn_action.config.train_schema import OptimConfig, TrainConfig
from stn_action.config.types import BatchSize, Section, Switch, Views
from stn_action.config.yaml_text import dump_yaml
from stn_action.data.data_choices import DIGIT_SETS, IMAGE_SETS, ZoomFrom
from stn_action.errors import InputError

MAX_GIBIBYTES = 64
"""Of the clips of one batch, or of the views of one test video."""


class EvalConfig(Section):
    """The test protocol."""

    num_clips: Views = 10
    """Clips per video, evenly spaced in time."""
    num_crops: Views = 3
    """Crops per clip, evenly spaced along the longer side; 1: the center crop."""
    batch_size: BatchSize = 16
    """Views (clips x crops) per batch."""
    compile: Switch = False
    """Compile the network of a checkpoint by `torch.compile`, in tests and predictions of many
    videos; see `train.compile`, which also counts for the tests of its run."""
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
    def _further_stages_have_folders(self) -> Self:
        if not self.train.cache_also:
            return self
        if not self.train.cache_features:
            raise ValueError(
                "train.cache_also: no features are stored; set train.cache_features=true, or "
                "train.cache_also to []"
            )
        if self.train.cache_folder is not None:
            raise ValueError(
                "train.cache_also: each stage has a folder of its own, but train.cache_folder "
                "names one; set that to null"
            )
        stages = [self.train.cache_at or self.model.freeze_until, *self.train.cache_also]
        if len(set(stages)) < len(stages):
            raise ValueError(
                f"train.cache_also: expected stages other than {stages[0]}, each once; got "
                f"{list(self.train.cache_also)}"
            )
        return self

    @model_validator(mode="after")
    def _cache_has_no_repeats(self) -> Self:
        if self.train.cache_features and self.train.repeated > 1:
            raise ValueError(
                f"train.repeated {self.train.repeated}: expected 1 with train.cache_features, "
                "where no video is decoded again; raise train.epochs"
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
    def _mixes_clips_of_one_content(self) -> Self:
        focus, mixes = self.model.focus, self.train.mixes
        if mixes is None:
            return self
        if self.train.cache_features:
            raise ValueError(
                f"train.{mixes}: expected null with train.cache_features; the features of mixed "
                "clips are not those of the clips, mixed"
            )
        if focus is not None and "foreground" in (focus.readout, focus.start):
            key = "readout" if focus.readout == "foreground" else "start"
            raise ValueError(
                f"train.{mixes}: expected null with model.focus.{key} foreground, which "
                "reads where the person of a clip is: a mixed clip shows two"
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
    def _digits_have_no_steps(self) -> Self:
        steps = [name for name, value in self.data.augment if isinstance(value, Section)]
        if self.data.name in DIGIT_SETS and steps:
            raise ValueError(
                f"data.augment.{steps[0]}: expected null with data.name {self.data.name}; its "
                "digits are changed by data.distortion alone"
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
                "train.sampling": (self.train.sampling, "shuffled"),
                "train.repeated": (self.train.repeated, 1),
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


def load_config(path: str | Path | None, overrides: Overrides = ()) -> Config:
    """Load the configuration of a YAML file, its bases and `key.sub=value` overrides.

    Args:
        path: the file, or the name of a shipped one (see `shipped_files`); None: overrides only.
        overrides: applied in order; the value in a text is read as the declared type of its key.

    Raises:
        InputError: a file or setting is wrong; the message names the file or override, the dotted
            key, what was expected and the nearest valid name.
    """
    layers = read_layers(config_file(path)) if path is not None else []
    return _validated(settings_from(layers, overrides, Config))


def config_from_dict(tree: Tree, source: str, overrides: Overrides = ()) -> Config:
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
