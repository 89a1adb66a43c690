"""Loading of a trunk's weights from a file, which must match it tensor by tensor."""

from collections.abc import Collection
from pathlib import Path

from torch import nn

from stn_action.errors import InputError
from stn_action.weights import read_state_dict


def load_weights(network: nn.Module, path: str | Path, *, optional: Collection[str] = ()) -> None:
    """Load a state dict.

    Args:
        network: changed in place.
        path: .pt, .pth or .safetensors.
        optional: names of tensors, or prefixes that end in a point, which the file or the network
            may have alone: the classifier that is replaced, for instance.

    Raises:
        InputError: no such file, no state dict, or tensors that are missing, of another shape
            or unknown; names them.
    """
    state = read_state_dict(path, "model.weights")
    own = network.state_dict()

    def wanted(name: str) -> bool:
        known = name.endswith("num_batches_tracked") or name in optional
        return not known and not any(p.endswith(".") and name.startswith(p) for p in optional)

    wrong = [
        name
        for name, value in own.items()
        if wanted(name) and (name not in state or state[name].shape != value.shape)
    ]
    surplus = [name for name in state if wanted(name) and name not in own]
    problems = []
    if wrong:
        problems.append(
            f"{len(wrong)} of {len(own)} tensors are missing or of another shape, {_first(wrong)}"
        )
    if surplus:
        problems.append(
            f"{len(surplus)} of the file's {len(state)} tensors are unknown, {_first(surplus)}"
        )
    if problems:
        raise InputError(
            f"{path}: the weights do not fit the backbone: {'; '.join(problems)}; expected the "
            "state dict of this very model (with its library's names)"
        )
    fitting = {
        name: state[name]
        for name, value in own.items()
        if name in state and state[name].shape == value.shape
    }
    network.load_state_dict(fitting, strict=False)


def _first(names: list[str]) -> str:
    quoted = ", ".join(repr(name) for name in names[:3])
    return f"the first {quoted}" if len(names) > 1 else quoted
