"""Checkpoints: one file per training run, written atomically, read without running code."""

import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from stn_action.disk.atomic_file import replaced_file
from stn_action.disk.library_file import LibraryFile
from stn_action.disk.regular_file import open_regular
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.torch_file import TorchFileError, load_torch_file
from stn_action.training.zip_digest import append_digest, digest_matches, has_digest

FORMAT = "stn_action checkpoint"
VERSION = 3
"""3: a digest over the file; 2: keys named as timm and Hugging Face name them."""
WITHOUT_DIGEST = 2
"""The version whose networks can still be used; of damage only what zip's CRCs show is noticed."""


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> None:
    """Write a checkpoint; the file that was at `path` stays complete until the new one is.

    A digest over all of the file is added to it, which `load_checkpoint` compares.

    Args:
        path: the file; its folder is created.
        content: tensors, strings, numbers, booleans and None in dicts, lists and tuples.

    Raises:
        TypeError: it holds another type, which `load_checkpoint` would refuse.
        InputError: the disk is full, or the file cannot be written for another reason.
    """
    _check_plain(content, "content")
    remedy = "make room and go on with --resume; the checkpoints that were there are intact"
    with replaced_file(path, remedy=remedy) as file:
        archive = LibraryFile(file)
        torch.save({"format": FORMAT, "version": VERSION, **content}, cast(Any, archive))
        archive.raise_error()
        append_digest(file)


def load_checkpoint(path: str | Path, *, to_resume: bool = False) -> dict[str, Any]:
    """Load a file of `save_checkpoint` onto the CPU, with `weights_only=True`.

    Args:
        path: the file.
        to_resume: training goes on from it: it must be of the present version. The network of a
            checkpoint of the version before can still be used.

    Raises:
        InputError: there is no such file, it is not a checkpoint of this version, or a bit of it
            has changed since it was written.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such checkpoint. {_found_instead(path)}")
    if path.is_dir():
        raise InputError(
            f"{path}: a folder, expected a checkpoint in it. {_found_instead(path / '.')}"
        )
    open_regular(path).close()
    try:
        sealed = has_digest(path)
        if sealed and not digest_matches(path):
            raise _damaged(path, "its content is not what its digest was made of")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    content = _load(path, sealed=sealed)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(
            f"{path}: a PyTorch file, but not a checkpoint of stn_action. To start from the weights"
            " of another network, name them as the model's weights"
        )
    version = content.get("version")
    readable = (VERSION,) if to_resume else (VERSION, WITHOUT_DIGEST)
    if type(version) is not int or version not in readable:
        shown = version if type(version) is int and version < 10**6 else "that is unknown"
        raise InputError(
            f"{path}: a checkpoint of format version {shown}, this stn_action reads "
            f"version {VERSION}: train again, or use the stn_action that wrote it"
        )
    if version != WITHOUT_DIGEST and not sealed:
        raise _damaged(path, "its digest is missing")
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
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "scaler": None if strategy.scaler is None else strategy.scaler.state_dict(),
    }


def restore_training_state(
    state: dict[str, Any], network: nn.Module, optimizer: Any, schedule: Any, strategy: Strategy
) -> None:
    """Restore `training_state` into new objects that were built in the same way. Collective.

    Raises:
        InputError: they were built in another way.
    """
    try:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        if strategy.scaler is not None and state["scaler"] is not None:
            strategy.scaler.load_state_dict(state["scaler"])
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"the checkpoint does not fit the network or optimizer of this configuration: {reason}."
            " Resume with the configuration the run was started with"
        ) from None


def _load(path: Path, *, sealed: bool) -> Any:
    """Return the content of a PyTorch file; without a digest the CRCs in it are compared."""
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path}: not a checkpoint of stn_action, or cut off while it was copied "
            f"({path.stat().st_size} bytes). Give a last.pt or best.pt that training wrote"
        )
    try:
        content = load_torch_file(path)
    except TorchFileError as error:
        raise _damaged(path, str(error)) from None
    if not sealed:
        with zipfile.ZipFile(path) as archive:
            if (name := archive.testzip()) is not None:
                raise _damaged(path, f"{name} in it does not have its CRC")
    return content


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: damaged, or not a checkpoint of stn_action: {reason} ({path.stat().st_size} "
        "bytes). Copy it again from where it is intact, or take another checkpoint"
    )


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
