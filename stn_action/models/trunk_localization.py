"""A localization network made of a trunk's own stages: pretrained layers that find windows.

Letters: N maps, P raw numbers of a window.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from stn_action.errors import InputError
from stn_action.geometry.kernels import resize_area
from stn_action.geometry.theta import at_least_float32, without_autocast
from stn_action.models.localization import BoundedLinear
from stn_action.models.stages import evaluating, stage


class TrunkLocalization(nn.Module):
    """Copies of the stages behind the heads' own, a fixed grid, an equalized linear layer.

    The spatial transformer paper initializes the localization networks of its photos of birds so
    (Jaderberg et al. 2015, arXiv 1506.02025, section 4.3: an Inception, pretrained on ImageNet).
    The copies are trained, except for the statistics of their batch norm, which stay the trunk's.
    As in `LocalizationNetwork`, the last layer starts at zero.

    Args:
        trunk: the stages are copied from it, with their weights.
        stages: module paths of the stages that run one after the other behind the heads' own.
        map_chw: channels, height and width of the maps.
        num_outputs: raw numbers of all heads.
        pretrained: keep the trunk's weights; False: random ones.
        gain: of the last layer; the copies are as in the trunk, not equalized.
        grid_size: height and width of the grid.
        limit: bound of the raw numbers; see `BoundedLinear`.

    Raises:
        InputError: no such stage, or they do not turn maps (N, C, H, W) into maps.
    """

    def __init__(
        self,
        trunk: nn.Module,
        stages: Sequence[str],
        map_chw: tuple[int, int, int],
        num_outputs: int,
        *,
        pretrained: bool = True,
        gain: float = 1.0,
        grid_size: int = 7,
        limit: float = 4.0,
    ) -> None:
        super().__init__()
        if not stages:
            raise InputError(
                "localization 'trunk' copies stages of the trunk: give localization_stages, the "
                "module paths of those behind the heads' own"
            )
        self.stages = tuple(stages)
        self.pretrained = pretrained
        self.gain = gain
        self.grid_size = grid_size
        copies = [copy.deepcopy(stage(trunk, path)) for path in stages]
        self.layers = nn.Sequential(*copies).float().requires_grad_(True)
        self._volumes = any(isinstance(layer, nn.Conv3d) for layer in self.layers.modules())
        if not pretrained:
            _start_at_random(self.layers)
        hidden_channels = self._channels_behind(map_chw)
        self.output = BoundedLinear(
            hidden_channels * grid_size**2, num_outputs, gain=gain, limit=limit
        )
        self.train(trunk.training)

    def forward(self, features: Tensor) -> Tensor:
        """Compute raw numbers (N, num_outputs), float32 or wider, of features (N, C, H, W)."""
        with without_autocast(features):
            hidden = self._hidden(at_least_float32(features))
            hidden = nn.functional.group_norm(hidden, 1)
            grid = resize_area(hidden, (self.grid_size, self.grid_size))
            return self.output(grid.flatten(1))

    def take_weights(self, trunk: nn.Module) -> None:
        """Copy the stages' weights again, of a trunk that has loaded others since."""
        if self.pretrained:
            for layer, path in zip(self.layers, self.stages, strict=True):
                layer.load_state_dict(stage(trunk, path).state_dict())

    def train(self, mode: bool = True) -> "TrunkLocalization":
        """Set the mode of all but batch norm, which keeps its statistics."""
        super().train(mode)
        for layer in self.layers.modules():
            if isinstance(layer, _BatchNorm):
                layer.training = False
        return self

    def _hidden(self, features: Tensor) -> Tensor:
        if self._volumes:
            return self.layers(features.unsqueeze(2)).mean(2)  # a map is a clip of one step
        return self.layers(features)

    def _channels_behind(self, map_chw: tuple[int, int, int]) -> int:
        device = next((p.device for p in self.layers.parameters()), None)
        example = torch.zeros(2, *map_chw, device=device)
        try:
            with evaluating(self.layers):
                hidden = self._hidden(example)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise InputError(
                f"localization_stages {list(self.stages)} do not take the heads' maps "
                f"{map_chw}: {error}. They must follow the heads' stage, one behind the other"
            ) from None
        if not isinstance(hidden, Tensor) or hidden.dim() != 4:
            shape = tuple(hidden.shape) if isinstance(hidden, Tensor) else type(hidden).__name__
            raise InputError(
                f"localization_stages {list(self.stages)} return {shape}, not maps (N, C, H, W): "
                "leave out the last"
            )
        return hidden.shape[1]


def _start_at_random(layers: nn.Module) -> None:
    """Draw the weights as their modules do when they are made.

    Raises:
        InputError: a module has parameters and no such method.
    """
    for name, layer in layers.named_modules():
        reset = getattr(layer, "reset_parameters", None)
        if reset is not None:
            reset()
        elif next(layer.parameters(recurse=False), None) is not None:
            raise InputError(
                f"localization_pretrained=false: {type(layer).__name__} ({name}) cannot draw its "
                "weights again; choose other localization_stages"
            )
