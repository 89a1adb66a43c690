"""The settings of a folder of videos that is given in place of a configuration."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from stn_action.config.data_schema import DataConfig
from stn_action.config.explanation import explain
from stn_action.config.files import settings_from
from stn_action.config.types import Section
from stn_action.errors import InputError

OF_FOLDERS = ("data.frames_fps", "data.max_pixels")
"""Settings that mean something for videos without a data set."""


class _Settings(Section):
    data: DataConfig


def data_of_folder(folder: Path, overrides: Sequence[str]) -> DataConfig:
    """Return the `data` section of the videos below a folder, with those of `OF_FOLDERS` set.

    Args:
        folder: the folder.
        overrides: `key.sub=value`, as for `load_config`.

    Raises:
        InputError: another setting is given, or a value is wrong.
    """
    for text in overrides:
        if text.partition("=")[0].strip() not in OF_FOLDERS:
            raise InputError(
                f"{folder} is a folder, which takes no setting {text}, only "
                f"{' and '.join(OF_FOLDERS)}; give a configuration"
            )
    tree = {"data": {"name": "folders", "root": folder}}
    settings = settings_from([(str(folder), tree)], overrides, _Settings)
    try:
        return _Settings.model_validate(settings.tree).data
    except ValidationError as error:
        raise InputError(explain(error, settings, _Settings)) from None
