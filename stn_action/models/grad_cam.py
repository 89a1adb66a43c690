"""Grad-CAM: which cells of a stage's map speak for a class.

Letters: C channels of the map, T, H, W its size.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.models.map_layout import OutputKey
from stn_action.models.network import FocusedNetwork
from stn_action.models.receptive_field import StageCells
from stn_action.models.stage_maps import stage_map
from stn_action.models.stages import evaluating, stage


class ClassMaps(NamedTuple):
    """The maps of one stage for a batch of clips."""

    grad_cam: Tensor
    """(B, T, H, W): how much each cell speaks for the class of its clip."""
    activation: Tensor
    """(B, T, H, W): mean over channels of the absolute activation."""
    cells: Cells
    """Positions of the cells in the clip."""


class GradCam:
    """Maps of one stage of a network: its evidence for a class, and its mean activation.

    Selvaraju et al. 2017 (arXiv 1610.02391), equations 1 and 2, with time as a third axis of the
    map. Their ReLU is left out: it would make all cells that speak against the class equal.

    Args:
        network: in eval mode, in float32.
        at: module path of the stage in the trunk.
        example: (B, 3, T, h, w), clips as the network takes them.
        output: which of several maps of the stage; see `plug`.

    Raises:
        InputError: there is no such stage, or it has no map.
    """

    def __init__(
        self, network: FocusedNetwork, at: str, example: Tensor, *, output: OutputKey | None = None
    ) -> None:
        self.network = network
        self.at = at
        with evaluating(network.trunk):
            clip = network.normalization(example[:1].float())
            self.layout = stage_map(network.trunk, at, clip, output=output)[1]
        self._cells = StageCells(at, self.layout)

    def __call__(
        self, clip: Tensor, classes: Tensor, *, extents: Tensor | None = None
    ) -> ClassMaps:
        """Compute the maps of clips.

        Args:
            clip: (B, 3, T, h, w).
            classes: (B,) int64, the class that each clip is explained for.
            extents: see `FocusedNetwork`.

        Raises:
            InputError: no gradient of the classes' logits reaches the stage.
        """
        caught: list[Tensor] = []
        returned: list[object] = []
        with torch.enable_grad(), self._catching(caught, returned):
            logits = self.network(clip, extents=extents).logits
            chosen = logits.gather(1, classes[:, None]).sum()
            if not chosen.requires_grad:
                raise InputError(
                    f"stage {self.at!r}: no gradient of the logits reaches it; choose a stage that "
                    "the classes depend on and behind which no torch.no_grad() is"
                )
            (gradient,) = torch.autograd.grad(chosen, caught[0])
        features = self.layout.map_of(returned[0], len(clip)).detach().float()
        slopes = self.layout.map_of(
            self.layout.with_tensor(returned[0], gradient), len(clip)
        ).float()
        channel_weights = slopes.mean((2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
        T, H, W = features.shape[2:]
        return ClassMaps(
            (channel_weights * features).sum(1),
            features.abs().mean(1),
            self._cells.of(self.network.trunk, clip, (T, H, W)),
        )

    @contextmanager
    def _catching(self, caught: list[Tensor], returned: list[object]) -> Iterator[None]:
        """Make the map a leaf with gradients, and note it in `caught`, all else in `returned`."""

        def catch(module: nn.Module, inputs: Sequence[object], output: object) -> object:
            caught.append(self.layout.tensor_of(output).detach().requires_grad_())
            returned.append(self.layout.with_tensor(output, caught[-1]))
            # a copy: the next layer may work in place, which a leaf does not allow
            return self.layout.with_tensor(output, caught[-1].clone())

        handle = stage(self.network.trunk, self.at).register_forward_hook(catch)
        try:
            yield
        finally:
            handle.remove()
