"""The sample data set that `tools/make_sample.py` generates, in class folders."""

from dataclasses import replace
from pathlib import Path

from stn_action.data.datasets.folders import list_folders
from stn_action.data.listing import Listing
from stn_action.errors import InputError


def list_sample(root: str | Path, fold: int = 1) -> Listing:
    """List the videos of the sample data set.

    Raises:
        InputError: it is not there, or was not finished.
    """
    root = Path(root)
    if not (root / "sample.json").is_file():
        raise InputError(
            f"data.root: {root} holds no finished sample data set (sample.json); write it "
            f"with `python tools/make_sample.py --out {root}`"
        )
    return replace(list_folders(root, fold), name="sample")
