"""Names that weights had in older checkpoints."""

from torch import Tensor, nn


def rename_old_weights(
    network: nn.Module, state: dict[str, Tensor], prefix: str, *unused: object
) -> None:
    """Rename the weights of heads in a state of before there were other read-outs, in place.

    Args:
        network: that the state is loaded into.
        state: weights by name.
        prefix: of the network's names in it.
        *unused: of a hook of `nn.Module.load_state_dict`.
    """
    old = f"{prefix}heads."
    for name in [name for name in state if name.startswith(old)]:
        state[f"{prefix}readout.heads.{name.removeprefix(old)}"] = state.pop(name)
