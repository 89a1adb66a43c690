"""Calls of a network in evaluation, from some clips on without most batch norms: the same, sooner.

On a processor frames pass through 2D trunks 1.4 to 1.7 times as fast (docs/performance.md). A few
clips do not pay for finding the batch norms and for checking.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.models.batch_norm_folding import (
    TOLERANCE,
    Pairs,
    noted_pairs,
    with_folded_pairs,
)
from stn_action.models.network import FocusedNetwork
from stn_action.models.prediction import Prediction

PLAIN_CLIPS = 16
"""Clips before batch norms are folded, which takes as long as about three clips."""
WITH_TRUNKS = "trunk", "second_look"
"""Children of networks that may hold a trunk."""


class FoldedCalls:
    """Calls of a network in eval mode; after `PLAIN_CLIPS` clips its batch norms are folded.

    The network is not changed, and its weights may be: they are folded again. Where the predictions
    of a clip would not be the same, or the network is compiled, it stays as it is. Not for several
    threads at once.
    """

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network: any; only 2D trunks of a `FocusedNetwork` are folded.

        Convolutions over time gain nothing.
        """
        self.network = network
        self._clips = 0
        self._pairs: Pairs = []
        self._versions: list[tuple[int, int]] = []
        self._folded: dict[str, nn.Module] | None = None

    def __call__(self, clip: Tensor, **inputs: Any) -> Prediction:
        """Return the network's prediction for clips (B, 3, T, H, W) and what comes with them."""
        if self._clips >= PLAIN_CLIPS and len(clip):
            self._fold(clip, inputs)
        self._clips += len(clip)
        with _exchanged(self.network, self._folded or {}):
            return self.network(clip, **inputs)

    def _fold(self, clip: Tensor, inputs: dict[str, Any]) -> None:
        """Fold batch norms, unless this was already done or tried with the current weights."""
        if not isinstance(self.network, FocusedNetwork) or self.network._compiled_call_impl:
            return
        if self._folded is not None and self._versions == _versions(self._pairs):
            return
        first = {name: _of_first_clip(name, one) for name, one in (inputs | {"clip": clip}).items()}
        with noted_pairs(self.network) as pairs:
            wanted = _plain_call(self.network, first)
        pairs: Pairs = [(conv, norm) for conv, norm in pairs if isinstance(conv, nn.Conv2d)]
        self._pairs, self._versions, self._folded = pairs, _versions(pairs), {}
        if not pairs:
            return
        for channels_last in (True, False) if clip.device.type == "cpu" else (False,):
            folded = self._trunks_with(pairs, channels_last)
            try:
                with _exchanged(self.network, folded):
                    found = _plain_call(self.network, first)
            except RuntimeError:  # `view` of what is not contiguous
                continue
            if _same(found, wanted):
                self._folded = folded
                return

    def _trunks_with(self, pairs: Pairs, channels_last: bool) -> dict[str, nn.Module]:
        """Return the children with trunks, folded; those of frames with their channels last."""
        children = dict(self.network.named_children())
        folded = {
            name: with_folded_pairs(children[name], pairs)
            for name in WITH_TRUNKS
            if name in children
        }
        shared = {id(one) for one in self.network.parameters()}
        for weight in (one for part in folded.values() for one in part.parameters()):
            if channels_last and weight.dim() == 4 and id(weight) not in shared:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        return folded


@contextmanager
def _exchanged(network: nn.Module, children: dict[str, nn.Module]) -> Iterator[None]:
    """Let a network run with other children in the block."""
    before = {name: network._modules[name] for name in children}
    network._modules.update(children)
    try:
        yield
    finally:
        network._modules.update(before)


def _of_first_clip(name: str, value: Any) -> Any:
    """Return the part of a network's input that is the first clip's."""
    if value is None:
        return None
    return tuple(one[:1] for one in value) if name == "theta" else value[:1]


def _plain_call(network: nn.Module, inputs: dict[str, Any]) -> Prediction:
    """Call a network in its own precision, without autocast, also that which wraps its calls."""
    with torch.autocast(inputs["clip"].device.type, enabled=False):
        return type(network).forward(network, **inputs)


def _same(found: Prediction, wanted: Prediction) -> bool:
    """Return whether two predictions of a clip are the same but for rounding."""
    pairs = [(found.logits, wanted.logits)]
    pairs += [
        (one.places, other.places) for one, other in zip(found.focus, wanted.focus, strict=True)
    ]
    return all(
        one.shape == other.shape
        and bool((one - other).square().mean().sqrt() <= TOLERANCE * other.square().mean().sqrt())
        for one, other in pairs
    )


def _versions(pairs: Pairs) -> list[tuple[int, int]]:
    """Return what changes when a tensor of the pairs is changed or replaced."""
    tensors = [
        tensor
        for pair in pairs
        for part in pair
        for tensor in (*part.parameters(), *part.buffers())
    ]
    return [(0 if one.is_inference() else one._version, one.data_ptr()) for one in tensors]
