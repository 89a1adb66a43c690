"""Names that weights had in older checkpoints."""

from torch import Tensor, nn

OLD_NAMES = {
    "heads.": "placements.0.readout.heads.",
    "readout.": "placements.0.readout.",
    "describe.": "placements.0.describe.",
}
"""Beginnings of names: of before there were other read-outs, and several placements."""


def rename_old_weights(
    network: nn.Module, state: dict[str, Tensor], prefix: str, *unused: object
) -> None:
    """Rename the weights of heads in a state of before a network could have several, in place.

    Args:
        network: that the state is loaded into.
        state: weights by name.
        prefix: of the network's names in it.
        *unused: of a hook of `nn.Module.load_state_dict`.
    """
    for old, new in OLD_NAMES.items():
        start = prefix + old
        for name in [name for name in state if name.startswith(start)]:
            state[f"{prefix}{new}{name.removeprefix(start)}"] = state.pop(name)
