"""Spatial transformers that a trunk has of its own, and the heads that are plugged into it.

All localization networks are trained in one group, at one relative learning rate and gain.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.heads import FocusHeads
from stn_action.models.prediction import Focus
from stn_action.models.readouts.readout import Readout


def transformers_in(trunk: nn.Module) -> list[FocusHeads]:
    """Return the heads of all spatial transformers that are modules of the trunk."""
    return [module for module in trunk.modules() if isinstance(module, FocusHeads)]


def moving_parameters(trunk: nn.Module, readouts: Sequence[Readout]) -> list[nn.Parameter]:
    """Return the parameters of all localization networks, the trunk's first."""
    own = [p for heads in transformers_in(trunk) for p in heads.localization.parameters()]
    return own + [p for readout in readouts for p in readout.localization_parameters()]


def common_gain(trunk: nn.Module, readouts: Sequence[Readout]) -> float:
    """Return the factor by which localization networks' stored weights are multiplied.

    Raises:
        InputError: those of the trunk and of the read-outs have different ones.
    """
    own = {heads.gain for heads in transformers_in(trunk)}
    gains = own | {
        readout.gain for readout in readouts if readout.localization_parameters() or not own
    }
    if len(gains) > 1:
        raise InputError(
            f"the localization networks have different gains, {sorted(gains)}: those of the "
            "trunk's own spatial transformers and of the heads are trained at one rate. Give both "
            "the same gain (plug: gain, a configuration: model.focus.gain; SpatialTransformer: "
            "gain)"
        )
    return gains.pop() if gains else 1.0


class TransformerThetas:
    """Theta of the trunk's own transformers in the last forward pass, for the monitor of heads.

    Each is about the map that its transformer sees, which one before it may have moved: it is no
    window of the clip and cannot be drawn on it.
    """

    def __init__(self, trunk: nn.Module) -> None:
        """Watch the transformers of a trunk, from now on."""
        self._found: dict[str, Focus] = {}
        for name, module in trunk.named_modules():
            if isinstance(module, FocusHeads):
                module.register_forward_hook(partial(self._note, name.removesuffix(".heads")))

    def __call__(self) -> tuple[Focus, ...]:
        """Return one for each transformer that ran since the last call, in their order."""
        found = tuple(self._found.values())
        self._found.clear()
        return found

    def _note(self, name: str, heads: nn.Module, inputs: tuple[Tensor, ...], theta: Tensor) -> None:
        assert isinstance(heads, FocusHeads)
        T, H, W = inputs[0].shape[2:]
        self._found[name] = Focus(
            theta.detach(), heads.base, name, Cells.centered((T, H, W), (T, H, W)),
            heads.transform.floor, can_be_given=False,
        )  # fmt: skip
