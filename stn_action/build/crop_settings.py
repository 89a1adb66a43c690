"""The crop of a configuration: what cuts the clips, and its description."""

from stn_action.config.schema import Config
from stn_action.models.backbones.backbone_table import backbone_spec
from stn_action.person.box_error import BoxErrors
from stn_action.person.crop import CropSpec


def crop_of(config: Config) -> CropSpec:
    """Return the configured crop."""
    crop = config.data.crop
    errors = None if crop.box_error is None else BoxErrors(**dict(crop.box_error))
    return CropSpec(**{**dict(crop), "box_error": errors})


def mean_color_of(config: Config) -> tuple[float, ...] | None:
    """Return the mean color of the images that the trunk was trained on; None: black is padded.

    Raises:
        InputError: an unknown trunk.
    """
    if config.data.crop.padding == "black":
        return None
    return backbone_spec(config.model.backbone).mean


def describe_boxes(config: Config) -> str:
    """Describe how a person's boxes become crops, as in `looseness 0.25, pad mean`.

    Protocol lines of results and previews hold it.
    """
    crop = config.data.crop
    words = [f"looseness {crop.looseness:g}"]
    if crop.box_error is not None:
        words.append(f"box errors {crop.box_error.describe()}")
    if crop.box_jitter:
        words.append(f"jitter {crop.box_jitter:g} in training")
    if crop.beyond == "scene":
        seed = f", seed {crop.scene_seed}" if crop.scene_seed else ""
        words.append(f"scene of another clip{seed}")
        return ", ".join(words)
    pad = "" if crop.beyond == "fit" else f"pad {crop.padding}"
    words += [word for word in (crop.beyond, pad) if word and word != "pad"]
    return ", ".join(words)
