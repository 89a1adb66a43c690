"""Weights of networks: out of a file, or downloaded by torchvision."""

import hashlib
import pickle
import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stn_action.errors import InputError


def read_state_dict(path: str | Path, setting: str) -> dict[str, Tensor]:
    """Tensors by name out of a .safetensors file or a torch file (read with weights_only=True).

    Args:
        path: the file.
        setting: where the user named it, for the message.

    Raises:
        InputError: no such file, or it holds no state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{setting}: no file {path}; expected .pt, .pth or .safetensors")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  (each library has its own errors for a broken file)
        raise InputError(f"{setting}: {path} holds no weights: {short_reason(error)}") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{setting}: {path} holds no state dict (tensors by name)")
    return state


def downloaded(weights: Any, setting: str, otherwise: str) -> dict[str, Tensor]:
    """The state dict of a member of torchvision's weights, from its cache or downloaded.

    Args:
        weights: the member, for instance `R2Plus1D_18_Weights.KINETICS400_V1`.
        setting: where the user asked for it, for the message.
        otherwise: what to do instead, for the message.

    Raises:
        InputError: it cannot be had; the message names the address and where a file is looked for.
    """
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        return weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (urllib.error.URLError, OSError, RuntimeError, EOFError, pickle.PickleError) as error:
        raise InputError(
            f"{setting}: {weights.url} could not be had ({short_reason(error)}); it was looked for "
            f"in {target}. Get it on a machine with a network and put it there, or {otherwise}"
        ) from None


def short_digest(path: str | Path) -> str:
    """The first eight hexadecimal digits of a file's SHA-256: which weights they are."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def short_reason(error: Exception) -> str:
    """One line on what went wrong; not PyTorch's advice to read such a file unsafely."""
    if isinstance(error, pickle.PickleError):
        return "it is no torch file of tensors only"
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
