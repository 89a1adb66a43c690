"""The sample data set that `tools/make_sample.py` generates, in class folders."""

from dataclasses import replace
from pathlib import Path

from stn_action.data.datasets.folders import list_folders
from stn_action.data.listing import Listing
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError


def list_sample(root: str | Path, fold: int = 1) -> Listing:
    """List the videos of the sample data set, or of a sign set.

    Raises:
        InputError: it is not there, or was not finished.
    """
    root = Path(root)
    description = root / "sample.json"
    if not description.is_file():
        raise InputError(
            f"data.root: {root} holds no finished sample data set (sample.json); write it "
            f"with `python tools/make_sample.py --out {root}`"
        )
    content = read_json(description, remedy=f"delete {root} and generate it again")
    settings = content.get("settings", {}) if isinstance(content, dict) else {}
    name = "sample"
    if settings.get("set") == "signs":
        name = (
            f"signs (region {settings['region_share']:.3g} of the frame, "
            f"{settings['distractors']} distractors)"
        )
    return replace(list_folders(root, fold), name=name)
