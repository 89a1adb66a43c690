"""The frozen stages of a trunk as a module of their own, changed to run fast.

Batch norm is folded into the convolutions and weights are laid out channels last, in bf16 if
wanted. Gradients pass through to the clips; nothing in it is trained.
"""

import copy
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from stn_action.models.batch_norm_folding import fold_batch_norm
from stn_action.models.stage_maps import stage_map
from stn_action.models.stages import evaluating, modules_before, stage_output, stage_outputs
from stn_action.models.weight_layout import lay_out_channels_last
from stn_action.precision_choices import StoredPrecision

PIXELS_OF_PASS = {"cpu": 2**19, "cuda": 2**23}
"""Pixels of the frames that pass through the trunk together, by type of device: on a processor
activations stay in a core's cache."""


class FrozenStages(nn.Module):
    """Normalized clips (B, 3, T, H, W) to the maps (B, C, t, h, w) of one stage of a trunk."""

    def __init__(
        self, trunk: nn.Module, path: str, example: Tensor, precision: StoredPrecision = "float32",
        *, more: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Copy and change the trunk.

        Args:
            trunk: of clips; it is not changed.
            path: module path of the stage.
            example: a clip (1, 3, T, H, W), normalized or empty, on the trunk's device.
            precision: of convolutions and matrix products.
            more: paths of further stages, whose maps `all_maps` returns too.

        Raises:
            InputError: there is no such stage, or its output is no map.
        """
        super().__init__()
        self.path = path
        self.paths = (path, *more)
        self.precision: StoredPrecision = precision
        example = torch.cat([example, example])
        with evaluating(trunk):
            found = [stage_map(trunk, one, example) for one in self.paths]
            last = path
            if more:
                last = max(self.paths, key=lambda one: len(modules_before(trunk, one, example)))
            folded = fold_batch_norm(trunk, last, example, self.paths)
            self.trunk, self.channels_last = self._in_layout(folded, last, example)
        self._layouts = [layout for _, layout in found]
        self.example_shapes = [tuple(example_map.shape[1:]) for example_map, _ in found]
        """(C, t, h, w) of the maps of a clip as large as the example, by stage."""

    def train(self, mode: bool = True) -> "FrozenStages":
        """Stay in eval mode: what is frozen uses its stored statistics."""
        return super().train(False)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the maps (B, C, t, h, w) of normalized clips (B, 3, T, H, W)."""
        return self.all_maps(clips)[0]

    def all_maps(self, clips: Tensor) -> list[Tensor]:
        """Return the maps (B, C, t, h, w) of the stage, then those of each further one."""
        at_once = max(1, pixels_of_pass(clips.device.type) // clips[0, 0].numel())
        with self.autocast(clips.device.type):
            parts = [self._maps_of_pass(part) for part in clips.split(at_once)]
        return [torch.cat(maps) for maps in zip(*parts, strict=True)]

    def autocast(self, device_type: str):
        """Return the context in which its layers compute."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(device_type, dtype=torch.bfloat16)

    def _maps_of_pass(self, clips: Tensor) -> list[Tensor]:
        returned = stage_outputs(self.trunk, self.paths, clips)
        pairs = zip(self._layouts, returned, strict=True)
        return [layout.map_of(output, len(clips)) for layout, output in pairs]

    def contiguous(self) -> "FrozenStages":
        """Return a copy whose weights, and so its maps, are contiguous."""
        changed = copy.copy(self)
        trunk = copy.deepcopy(self.trunk)
        for weight in trunk.parameters():
            weight.data = weight.data.contiguous()
        changed._modules = {**self._modules, "trunk": trunk}
        changed.channels_last = False
        return changed

    def in_float32(self) -> "FrozenStages":
        """Return the same stages, which compute in float32."""
        changed = copy.copy(self)
        changed.precision = "float32"
        return changed

    def _in_layout(self, trunk: nn.Module, last: str, example: Tensor) -> tuple[nn.Module, bool]:
        """Return a copy with weights channels last, unless the trunk does not run with them."""
        plain = copy.deepcopy(trunk).requires_grad_(False).eval()
        changed = copy.deepcopy(plain)
        lay_out_channels_last(changed)
        try:  # of two clips: with one, convolutions may leave their output contiguous
            with torch.inference_mode(), self.autocast(example.device.type):
                stage_output(changed, last, example)
        except RuntimeError:  # `view` of what is not contiguous
            return plain, False
        return changed, True


def pixels_of_pass(device_type: str) -> int:
    """Return how many pixels pass through a trunk together on a type of device."""
    return PIXELS_OF_PASS.get(device_type, PIXELS_OF_PASS["cuda"])
