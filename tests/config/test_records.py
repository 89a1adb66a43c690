"""A section of the configuration and what it becomes have the same names and defaults."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stn_action.build.augment_settings import STEPS
from stn_action.config.augment_schema import AugmentConfig
from stn_action.config.box_error_schema import BoxErrorConfig
from stn_action.config.data_schema import ClipConfig, CropConfig, TubesConfig
from stn_action.config.focus_schema import FocusConfig
from stn_action.config.model_schema import ModelConfig
from stn_action.config.sections import section_of
from stn_action.config.train_schema import OptimConfig, TrainConfig
from stn_action.data.augment import Augment
from stn_action.data.frame_sampling import ClipSampling
from stn_action.geometry.family import Transform
from stn_action.geometry.transforms import TRANSFORMS
from stn_action.models.heads import FocusHeads
from stn_action.models.plug import plug
from stn_action.models.readouts.readout_table import ReadoutSettings
from stn_action.person.box_error import BoxErrors
from stn_action.person.crop import CropSpec
from stn_action.person.select import TubeChoice
from stn_action.training.mixing import Mixing
from stn_action.training.objective import ClassificationLoss
from stn_action.training.optim import (
    DEFAULT_GAIN,
    Clipping,
    build_optimizer,
    parameter_groups,
)
from stn_action.training.rate_factors import rate_factors

RECORDS = [
    (CropConfig, CropSpec),
    (BoxErrorConfig, BoxErrors),
    (ClipConfig, ClipSampling),
    (AugmentConfig, Augment),
    *(
        (section_of(AugmentConfig.model_fields[name].annotation), step)
        for name, step in STEPS.items()
    ),
    (TubesConfig, TubeChoice),
]
"""Section and record that are the same: `record(**dict(section))`."""
TAKES_PART = [
    (FocusConfig, plug, {"gain"}, "at heads transform glimpse theta_per detach motion sampler"),
    (FocusConfig, FocusHeads, {"gain"}, "theta_per detach motion sampler padding"),
    *(
        (FocusConfig, one, {"gain", "glimpse"}, "theta_smoothing start")
        for one in (plug, FocusHeads, ReadoutSettings)
    ),
    (
        FocusConfig,
        plug,
        {"gain", "glimpse"},
        "localization localization_padding localization_kernels localization_channels "
        "localization_grid localization_size",
    ),
    *(
        (FocusConfig, family, set(), "start_scale min_scale max_scale bounded")
        for family in (Transform, *TRANSFORMS.values())
    ),
    (FocusConfig, ClassificationLoss, set(), "branch_loss random_glimpse_loss"),
    (ModelConfig, plug, set(), "dropout temporal"),
    (OptimConfig, ClassificationLoss, {"class_weights"}, "label_smoothing focal_gamma"),
    (TrainConfig, Mixing, set(), "mixup cutmix mixup_prob mixup_switch_prob"),
    (OptimConfig, Clipping, set(), "clip_grad_norm clip_localization_norm"),
    (OptimConfig, build_optimizer, set(), "name momentum"),
    (OptimConfig, parameter_groups, set(), "lr relative_lr weight_decay"),
    (OptimConfig, rate_factors, set(), "layer_decay lr_factors"),
]
"""Section, what takes some of its settings, those whose default differs, and some that it takes."""
EMPTY = inspect.Parameter.empty


def defaults_of(section: type[BaseModel]) -> dict[str, Any]:
    """The fields and defaults of a section; EMPTY where a value has to be given."""
    return {
        name: EMPTY if field.is_required() else field.default
        for name, field in section.model_fields.items()
    }


def parameters_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The parameters and defaults of a function or a class."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


@pytest.mark.parametrize(("section", "record"), RECORDS)
def test_a_section_and_its_record_have_the_same_fields_and_defaults(section, record):
    assert defaults_of(section) == {
        field.name: field.default for field in dataclasses.fields(record)
    }
    assert record(**dict(section())) == record()


@pytest.mark.parametrize(("section", "function", "other_default", "taken"), TAKES_PART)
def test_a_setting_has_its_name_and_default_wherever_it_goes(
    section, function, other_default, taken
):
    declared, wanted = defaults_of(section), parameters_of(function)
    shared = declared.keys() & wanted.keys()
    assert set(taken.split()) <= shared
    for name in shared - other_default:
        if EMPTY not in (declared[name], wanted[name]) and (name, wanted[name]) != ("at", ""):
            assert wanted[name] == declared[name], name


def test_the_gain_of_plug_is_that_of_the_default_optimizer():
    assert parameters_of(plug)["gain"] == DEFAULT_GAIN[OptimConfig().name]
