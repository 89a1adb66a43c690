"""A training run in one file, written at once or not at all, and read without running code."""

import os
import random
import zipfile
from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stn_action.errors import InputError

FORMAT = "stn_action checkpoint"
VERSION = 1


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; what stood at `path` stays whole until the new one is.

    The content goes to a temporary file in the same folder, to the disk, and then in the place of
    the old file.

    Args:
        path: the file; its folder is made.
        content: tensors, strings, numbers, booleans and None in dicts, lists and tuples.

    Raises:
        TypeError: another type is in it, which `load_checkpoint` would refuse.
    """
    _check_plain(content, "content")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, "version": VERSION, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, onto the CPU, with `weights_only=True`.

    Raises:
        InputError: there is no such file, it is none of our checkpoints, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint. {_found_instead(path)}")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: not a checkpoint of stn_action, or cut off while it was copied "
            f"({path.stat().st_size} bytes). Give a last.pt or best.pt that training wrote"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: damaged, or not a checkpoint of stn_action ({reason})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            f"{path}: a PyTorch file, but not a checkpoint of stn_action. To start from the weights"
            " of another network, name them as the model's weights"
        )
    if content["version"] != VERSION:
        raise InputError(
            f"{path}: a checkpoint of format version {content['version']}; this stn_action reads "
            f"{VERSION}. Use the version of stn_action that wrote it"
        )
    return {key: value for key, value in content.items() if key not in ("format", "version")}


def training_state(
    network: nn.Module, optimizer: Any, schedule: Any, *, scaler: Any = None
) -> dict[str, Any]:
    """All that a run needs to go on exactly, at the end of an epoch.

    Args:
        network: not wrapped for several processes (`accelerator.unwrap_model`).
        optimizer: of torch, or accelerate's around it.
        schedule: of the learning rate.
        scaler: `accelerator.scaler`, of float16 training.
    """
    return {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
        "rng": rng_state(),
    }


def restore_training_state(
    state: dict[str, Any], network: nn.Module, optimizer: Any, schedule: Any, *, scaler: Any = None
) -> None:
    """Put `training_state` into new objects that were built in the same way.

    Raises:
        InputError: they were built in another way.
    """
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"the checkpoint does not fit the network or optimizer of this configuration: {reason}."
            " Resume with the configuration the run was started with"
        ) from None
    schedule.load_state_dict(state["schedule"])
    if scaler is not None and state["scaler"] is not None:
        scaler.load_state_dict(state["scaler"])
    set_rng_state(state["rng"])


def rng_state() -> dict[str, Any]:
    """The states of the global generators of torch, CUDA, NumPy and Python."""
    _, numpy_keys, *numpy_rest = np.random.get_state(legacy=True)  # noqa: NPY002
    version, python_keys, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": list(torch.cuda.get_rng_state_all()) if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(np.array(numpy_keys, np.int64)), *map(_number, numpy_rest)],
        "python": [version, torch.tensor(python_keys, dtype=torch.int64), gauss],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Take over the states that `rng_state` gave; CUDA's if there are as many devices."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    numpy_keys, *numpy_rest = state["numpy"]
    np.random.set_state(  # noqa: NPY002
        ("MT19937", numpy_keys.numpy().astype(np.uint32), *numpy_rest)
    )
    version, python_keys, gauss = state["python"]
    random.setstate((version, tuple(python_keys.tolist()), gauss))


def _check_plain(value: Any, place: str) -> None:
    if value is None or isinstance(value, Tensor) or type(value) in (str, int, float, bool):
        return
    if type(value) in (dict, OrderedDict):
        for key, item in value.items():
            _check_plain(key, f"a key of {place}")
            _check_plain(item, f"{place}[{key!r}]")
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):
            _check_plain(item, f"{place}[{index}]")
    else:
        raise TypeError(
            f"{place} is a {type(value).__name__}; a checkpoint holds tensors, strings, numbers, "
            "booleans and None in dicts, lists and tuples: convert it"
        )


def _found_instead(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} either: train first, or check the path"
    found = sorted(file.name for file in path.parent.glob("*.pt"))
    if not found:
        return f"There is no *.pt in {path.parent}: train first, or check the path"
    return f"In {path.parent} there are: {', '.join(found)}"


def _number(value: Any) -> float | int:
    return value if isinstance(value, int) else float(value)


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk too, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
