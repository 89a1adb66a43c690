"""Every choice is declared once, and the table that implements it has the same names."""

import ast
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

import stn_action
from stn_action.config.schema import Config
from stn_action.data.augment import PIXEL_STEPS
from stn_action.data.data_choices import (
    BatchSampling,
    DatasetName,
    DistortionName,
    FixedCrops,
    FrameSampling,
    PixelStep,
    ZoomFrom,
)
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.digits.distortions import DISTORTIONS
from stn_action.distributed import PRECISIONS
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.evaluation.metrics import METRICS
from stn_action.geometry.transform_choices import (
    AXIS_ALIGNED,
    PADDINGS,
    SAMPLERS,
    TRANSFORM_NAMES,
    Padding,
    Sampler,
    TrainableSampler,
    TransformName,
)
from stn_action.geometry.transforms import TRANSFORMS
from stn_action.models.localization_input import THETA_PER
from stn_action.models.model_choices import (
    GLIMPSES,
    LOCALIZATION_PADDINGS,
    LOCALIZATIONS,
    READOUTS,
    STARTS,
    TEMPORALS,
    Glimpse,
    InputPer,
    LocalizationName,
    LocalizationPadding,
    ReadoutName,
    Start,
    Temporal,
    ThetaPer,
    WindowGradient,
)
from stn_action.models.readouts.readout_table import READOUT_BUILDERS
from stn_action.models.temporal import TEMPORAL
from stn_action.person.formats.format_table import FORMATS
from stn_action.person.person_choices import (
    Aspect,
    Beyond,
    BoxFormat,
    Motion,
    PaddingColor,
    Select,
    TrackerName,
    WithoutPerson,
    WritableBoxFormat,
)
from stn_action.person.tracker import TRACKERS
from stn_action.precision_choices import CachePrecision, Precision
from stn_action.training.optim import DEFAULT_GAIN, OPTIMIZERS
from stn_action.training.training_choices import BatchNorm, OptimizerName, ScheduleName
from stn_action.video.backend_table import BACKENDS
from stn_action.video.video_choices import Backend, Reader

PACKAGE = Path(stn_action.__file__).parent
CHOICES = {
    "data.augment.multi_scale_crop.num_fixed_crops": FixedCrops,
    "data.augment.order": PixelStep,
    "data.crop.aspect": Aspect,
    "data.crop.beyond": Beyond,
    "data.crop.motion": Motion,
    "data.crop.padding": PaddingColor,
    "data.tubes.select": Select,
    "data.tubes.no_person": WithoutPerson,
    "data.clip.sampling": FrameSampling,
    "eval.zoom_from": ZoomFrom,
    "data.distortion": DistortionName,
    "data.name": DatasetName,
    "data.reader": Reader,
    "model.temporal": Temporal,
    "model.focus.transform": TransformName,
    "model.focus.glimpse": Glimpse,
    "model.focus.readout": ReadoutName,
    "model.focus.theta_per": ThetaPer,
    "model.focus.window_gradient": WindowGradient,
    "model.focus.start": Start,
    "model.focus.localization": LocalizationName,
    "model.focus.localization_padding": LocalizationPadding,
    "model.focus.sampler": TrainableSampler,
    "model.focus.padding": Padding,
    "optim.name": OptimizerName,
    "optim.schedule": ScheduleName,
    "train.sampling": BatchSampling,
    "train.batch_norm": BatchNorm,
    "train.precision": Precision,
    "train.cache_precision": CachePrecision,
    "train.monitor": MetricName,
}
"""The settings that are a choice between names, and the declaration in the implementing room."""
TABLES = [
    (DatasetName, DATASETS),
    (DistortionName, DISTORTIONS),
    (PixelStep, PIXEL_STEPS),
    (TransformName, TRANSFORMS),
    (TransformName, TRANSFORM_NAMES),
    (Sampler, SAMPLERS),
    (TrainableSampler, [name for name in SAMPLERS if name != "nearest"]),
    (Padding, PADDINGS),
    (Glimpse, GLIMPSES),
    (ReadoutName, READOUTS),
    (ReadoutName, READOUT_BUILDERS),
    (InputPer, THETA_PER),
    (LocalizationName, LOCALIZATIONS),
    (LocalizationPadding, LOCALIZATION_PADDINGS),
    (Start, STARTS),
    (Temporal, TEMPORAL),
    (Temporal, TEMPORALS),
    (OptimizerName, OPTIMIZERS),
    (OptimizerName, DEFAULT_GAIN),
    (Precision, PRECISIONS),
    (MetricName, METRICS),
    (Backend, BACKENDS),
    (Reader, ["auto", *BACKENDS]),
    (TrackerName, TRACKERS),
    (BoxFormat, FORMATS),
    (WritableBoxFormat, [name for name, one in FORMATS.items() if one.write is not None]),
]
"""Each declaration and the table that implements it."""


def literals(annotation: Any) -> list[Any]:
    """The `Literal`s in an annotation that offer several names."""
    if get_origin(annotation) is Literal:
        return [annotation] if len(get_args(annotation)) > 1 else []
    return [found for part in get_args(annotation) for found in literals(part)]


def choices_of(section: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """The choices of a section and the sections in it, by dotted key."""
    found = {}
    for name, field in section.model_fields.items():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= choices_of(part, f"{prefix}{name}.")
        for choice in literals(field.annotation):
            found[f"{prefix}{name}"] = choice
    return found


def test_each_choice_of_the_configuration_is_the_implementing_room_s_own():
    assert choices_of(Config) == CHOICES


@pytest.mark.parametrize(("choice", "table"), TABLES)
def test_the_implementing_table_has_the_same_names(choice, table):
    assert sorted(get_args(choice)) == sorted(table)


def test_axis_aligned_families_are_those_whose_class_says_so():
    assert set(AXIS_ALIGNED) == {name for name, one in TRANSFORMS.items() if one.axis_aligned}


def test_no_set_of_names_is_declared_twice_in_the_package():
    places: dict[frozenset[str], list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal"):
                continue
            members = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            names = [one.value for one in members if isinstance(one, ast.Constant)]
            if len(names) > 1:
                places.setdefault(frozenset(map(str, names)), []).append(f"{path}:{node.lineno}")
    assert {names: found for names, found in places.items() if len(found) > 1} == {}
    assert len(places) > 10


def test_files_of_choices_import_typing_alone():
    files = [*PACKAGE.glob("*/*_choices.py"), PACKAGE / "precision_choices.py"]
    assert len(files) > 5
    for path in files:
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else ["an import"])
        }
        assert names == {"typing"}, path
