"""JHMDB's official puppet masks: `puppet_mask/<class>/<video>/puppet_mask.mat`.

Convention: `part_mask` is (height, width, frames), 0 outside the person. The box of a frame
reaches from the outer edge of the first column and row with a person to that of the last.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.person.formats.jhmdb import CLASSES
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople

MAX_MASK_BYTES = 2**28
_DAMAGED = (
    *(ValueError, TypeError, LookupError, AttributeError, OSError, EOFError, MemoryError),
    *(OverflowError, NotImplementedError, zlib.error, struct.error),
)


def read_jhmdb_masks(path: str | Path) -> Iterator[VideoPeople]:
    """Read the boxes of puppet masks, one person per video; frames without a mask have no box.

    Args:
        path: the folder above `<class>/<video>/puppet_mask.mat`; `part_mask` is (H, W, T), 0 where
            the person is not.

    Raises:
        InputError: there is no such file, one is malformed, or scipy is not installed.
    """
    files = sorted(Path(path).rglob("puppet_mask.mat"))
    if not files:
        raise InputError(f"{path}: there is no <class>/<video>/puppet_mask.mat below it")
    for file in files:
        video, label = file.parent.name, file.parent.parent.name
        if label not in CLASSES:
            raise InputError(f"{file}: its folder {label!r} is not one of {CLASSES}")
        masks = _masks(file)
        tube = _tube_of(masks, file)
        yield VideoPeople(
            f"{label}/{video}", (tube,), (masks.shape[0], masks.shape[1]), labels=(label,)
        )


def _masks(file: Path) -> np.ndarray:
    """Return the mask of the person: (H, W, T) bool."""
    with needs_extra(f"{file}: a MATLAB file"):
        from scipy.io import loadmat, whosmat

    open_regular(file).close()
    _check_mask(_from_mat(whosmat, file), file)
    masks = _from_mat(lambda name: loadmat(name, variable_names=["part_mask"]), file)["part_mask"]
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "buif":
        raise InputError(f"{file}, part_mask: numbers expected, 0 outside the person")
    return (masks if masks.ndim == 3 else masks[..., None]) != 0


def _check_mask(variables: list[tuple[str, tuple[int, ...], str]], file: Path) -> None:
    """Check a file by its headers, before its contents are unpacked."""
    shapes = {name: tuple(shape) for name, shape, _ in variables}
    shape = shapes.get("part_mask")
    if shape is None:
        raise InputError(f"{file}: it contains {sorted(shapes)}, not part_mask")
    if len(shape) not in (2, 3) or not 0 < np.prod(shape, dtype=np.float64) <= MAX_MASK_BYTES:
        raise InputError(f"{file}, part_mask: (height, width, frames) expected, got {shape}")


def _from_mat(read: Any, file: Path) -> Any:
    """Read a MATLAB file; scipy raises all kinds of errors on a damaged one."""
    with needs_extra(f"{file}: a MATLAB file"):
        from scipy.io.matlab import MatReadError

    try:
        return read(str(file))
    except (MatReadError, *_DAMAGED) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: this MATLAB file cannot be read: {what}") from error


def _tube_of(masks: np.ndarray, file: Path) -> Tube:
    columns = np.asarray(masks.any(0))  # (W, T)
    rows = np.asarray(masks.any(1))  # (H, T)
    frames = np.flatnonzero(columns.any(0))
    if len(frames) == 0:
        raise InputError(f"{file}, part_mask: there is no person in it")
    columns, rows = columns[:, frames], rows[:, frames]
    height, width = len(rows), len(columns)
    corners = (
        columns.argmax(0),
        rows.argmax(0),
        width - columns[::-1].argmax(0),
        height - rows[::-1].argmax(0),
    )
    boxes = torch.from_numpy(np.stack(corners, axis=1)).float()
    return Tube(torch.from_numpy(frames), boxes, torch.ones(len(frames)))
