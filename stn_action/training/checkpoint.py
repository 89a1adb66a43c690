"""Checkpoints: one file per training run, written atomically, read without running code."""

import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.distributed import Strategy
from stn_action.errors import InputError

FORMAT = "stn_action checkpoint"
VERSION = 2
"""2: generators of every process, keys named as timm and Hugging Face name them."""


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; the file that was at `path` stays complete until the new one is.

    The content is written to a temporary file in the same folder, flushed to the disk, and then
    renamed over the old file.

    Args:
        path: the file; its folder is created.
        content: tensors, strings, numbers, booleans and None in dicts, lists and tuples.

    Raises:
        TypeError: it holds another type, which `load_checkpoint` would refuse.
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
    """Load a file of `save_checkpoint` onto the CPU, with `weights_only=True`.

    Raises:
        InputError: there is no such file, it is not a checkpoint of this version, or it is
            damaged.
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
            f"{path}: a checkpoint of format version {content['version']}, this stn_action reads "
            f"version {VERSION}: train again, or use the stn_action that wrote it"
        )
    return {key: value for key, value in content.items() if key not in ("format", "version")}


def training_state(
    network: nn.Module, optimizer: Any, schedule: Any, strategy: Strategy
) -> dict[str, Any]:
    """Return everything that a run needs to resume exactly, at the end of an epoch. Collective.

    Args:
        network: prepared by the strategy or not.
        optimizer: of torch, or prepared by the strategy.
        schedule: of the learning rate.
        strategy: of the run.
    """
    return {
        "network": strategy.network_state(network),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "scaler": None if strategy.scaler is None else strategy.scaler.state_dict(),
        "rng": strategy.rng_states(),
    }


def restore_training_state(
    state: dict[str, Any], network: nn.Module, optimizer: Any, schedule: Any, strategy: Strategy
) -> None:
    """Restore `training_state` into new objects that were built in the same way. Collective.

    Raises:
        InputError: they were built in another way, or for another number of processes.
    """
    try:
        strategy.load_network_state(network, state["network"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"the checkpoint does not fit the network or optimizer of this configuration: {reason}."
            " Resume with the configuration the run was started with"
        ) from None
    schedule.load_state_dict(state["schedule"])
    if strategy.scaler is not None and state["scaler"] is not None:
        strategy.scaler.load_state_dict(state["scaler"])
    strategy.set_rng_states(state["rng"])


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


def _sync_folder(folder: Path) -> None:
    """Flush the new name to the disk too, where folders can be opened (not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
