"""Initial weights of a localization network from a file, in place of random ones."""

from pathlib import Path

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.plain_localization import PlainLocalization
from stn_action.weights import read_state_dict


def load_localization(localization: nn.Module, path: str | Path) -> None:
    """Load all layers of a localization network but the last, which stays at zero.

    The file may be of a larger network, for instance a checkpoint of one that was trained to
    classify (`digits/loc_<size>`): a tensor is found by the end of its name.

    Args:
        localization: changed in place.
        path: .pt, .pth or .safetensors; a state dict, or a checkpoint of a run.

    Raises:
        InputError: no such file, or a layer is missing, has another shape or is there twice.
    """
    setting = "model.focus.localization_weights"
    state = read_state_dict(path, setting)
    own = {
        name: value
        for name, value in localization.state_dict().items()
        if not name.startswith(_last_layer(localization))
    }
    if not own:
        raise InputError(f"{setting}: the localization network has no layer to load; use null")
    found = {name: _found(name, value, state, f"{setting}: {path}") for name, value in own.items()}
    localization.load_state_dict(found, strict=False)


def _last_layer(localization: nn.Module) -> str:
    """Return how the names of the last layer's tensors begin."""
    if isinstance(localization, PlainLocalization):
        return f"layers.{len(localization.layers) - 1}."
    return "output."


def _found(name: str, own: Tensor, state: dict[str, Tensor], where: str) -> Tensor:
    names = [one for one in state if one == name or one.endswith(f".{name}")]
    fitting = [one for one in names if state[one].shape == own.shape]
    if len(fitting) == 1:
        return state[fitting[0]]
    shape = tuple(own.shape)
    if fitting:
        raise InputError(f"{where}: {name} {shape} is there twice: {', '.join(fitting)}")
    others = ", ".join(f"{one} {tuple(state[one].shape)}" for one in names) or "none of that name"
    raise InputError(
        f"{where}: no tensor for the localization network's {name} {shape}, got {others}; it must "
        "have been made with the same localization, kernels and channels"
    )
