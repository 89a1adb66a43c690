"""The configurations that come with the package, by name: for users who have no checkout."""

import difflib
from pathlib import Path

from stn_action.errors import InputError

PACKAGE = Path(__file__).parents[1]
FOLDERS = (PACKAGE.parent / "configs", PACKAGE / "shipped")
"""Of a checkout, and of an installed wheel."""


def config_file(name: str | Path) -> Path:
    """Return a configuration's file: the one at this path, else the shipped one of this name.

    Args:
        name: a path, or `ucf101_st`, `ucf101_st.yaml`, `configs/ucf101_st.yaml`,
            `paper/mnist_cnn`.

    Raises:
        InputError: there is neither, but shipped ones have similar names.
    """
    path = Path(name)
    if path.exists() or path.is_absolute() or path.suffix not in ("", ".yaml"):
        return path
    parts = [part for part in path.with_suffix("").parts if part != "configs"]
    if not parts or ".." in parts:
        return path
    for folder in FOLDERS:
        shipped = folder.joinpath(*parts).with_suffix(".yaml")
        if shipped.is_file():
            return shipped
    if near := difflib.get_close_matches(parts[-1], shipped_names(), n=3):
        raise InputError(
            f"{name}: no such configuration file; shipped ones of similar names: {', '.join(near)}"
        )
    return path


def shipped_names() -> list[str]:
    """Return the names of all shipped configurations, sorted."""
    found = {
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in FOLDERS
        for path in folder.glob("**/*.yaml")
    }
    return sorted(found)
