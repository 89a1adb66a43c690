"""Weights of networks, read from a file or downloaded."""

import hashlib
import pickle
import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stn_action.disk.regular_file import open_regular
from stn_action.errors import InputError
from stn_action.torch_file import TorchFileError, load_torch_file


def read_state_dict(path: str | Path, setting: str) -> dict[str, Tensor]:
    """Return tensors by name from a .safetensors file or a torch file (with weights_only=True).

    Args:
        path: the file.
        setting: where the user named it, for the message.

    Raises:
        InputError: no such file, or it holds no state dict.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{setting}: no file {path}; expected .pt, .pth or .safetensors")
    open_regular(path, name=f"{setting}: {path}").close()
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = load_torch_file(path)
    except TorchFileError as error:
        raise InputError(f"{setting}: {path} holds no weights: {error}") from None
    except Exception as error:  # noqa: BLE001  (each library has its own errors for a broken file)
        raise InputError(f"{setting}: {path} holds no weights: {short_reason(error)}") from None
    return _state_dict(state, path, setting)


def download_state_dict(url: str, setting: str, otherwise: str) -> dict[str, Tensor]:
    """Return the state dict at an address, from PyTorch's cache of downloads or downloaded.

    Args:
        url: as the library that publishes the weights gives it; a digest in the file's name is
            checked.
        setting: where the user asked for it, for the message.
        otherwise: what to do instead, for the message.

    Raises:
        InputError: it could not be downloaded or holds no state dict; names the address and where
            a file is looked for.
    """
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    try:
        state = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", check_hash=True, weights_only=True
        )
    except (urllib.error.URLError, OSError, RuntimeError, EOFError, pickle.PickleError) as error:
        raise InputError(
            f"{setting}: {url} could not be downloaded ({short_reason(error)}); {target} was tried "
            f"first. Get it on a machine with a network and put it there, or {otherwise}"
        ) from None
    return _state_dict(state, target, setting)


def short_digest(path: str | Path) -> str:
    """Return the first eight hexadecimal digits of a file's SHA-256, which identify weights."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def short_reason(error: Exception) -> str:
    """Return one line about an error, without PyTorch's advice to read a file unsafely."""
    if isinstance(error, pickle.PickleError):
        return "it is no torch file of tensors only"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _state_dict(content: Any, path: Path, setting: str) -> dict[str, Tensor]:
    """Return the state dict that a torch file is or has under a usual key."""
    state = content
    for key in ("state_dict", "model_state", "network"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{setting}: {path} holds no state dict (tensors by name)")
    return state
