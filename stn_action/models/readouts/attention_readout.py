"""Soft attention as a read-out: learned queries against a projection of every cell.

Letters: K queries, D channels of a key, S maps of weights of a clip.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.geometry.theta import at_least_float32, without_autocast
from stn_action.models.localization_input import LocalizationInput
from stn_action.models.model_choices import ThetaPer
from stn_action.models.readouts.readout import Reading, Readout, read_weighted


class AttentionReadout(Readout):
    """K weighted means of the features; the weights are a softmax over the cells.

    As efficient probing (arXiv 2506.10178): learned queries, one key projection, the features
    themselves as values, temperature 1 / sqrt(D). The keys see what localization networks see
    (`LocalizationInput`), normalized over the map as theirs. With weights per step the queries
    get the step's position added, as sinusoids; added to the keys of a step, it would be the same
    for all its cells and drop out of the softmax. Queries start at unit variance, as keys do: from
    near zero a short training hardly leaves the mean. It is trained at the trunk's learning rate.

    Args:
        channels: C of the features.
        num_queries: K.
        per: one map of weights per "clip" or per time "step".
        detach: stop the gradients of keys and queries at the features.
        motion: add the map's change over time to the keys' input.
        key_channels: D.
    """

    learns = True

    def __init__(
        self,
        channels: int,
        num_queries: int,
        *,
        per: ThetaPer = "clip",
        detach: bool = True,
        motion: bool = True,
        key_channels: int = 128,
    ) -> None:
        super().__init__()
        self.num_descriptions = num_queries
        self.per = per
        self.detach = detach
        self.localization_input = LocalizationInput(per, motion)
        in_channels = self.localization_input.channels_for(channels)
        # a bias would be the same for all cells of a map and drop out of the softmax
        self.keys = nn.Conv2d(in_channels, key_channels, 1, bias=False)
        self.queries = nn.Parameter(torch.randn(num_queries, key_channels))

    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps; see `Readout`."""
        weights = self.places_of(self.evidence(features)) if given is None else given
        return read_weighted(features, weights)

    def evidence(self, features: Tensor) -> Tensor:
        """Return the input of the keys, normalized over the map; see `Readout`."""
        inputs = self.localization_input(features.detach() if self.detach else features)
        with without_autocast(features):
            maps = F.group_norm(at_least_float32(inputs.flatten(0, 1)), 1)
        return maps.unflatten(0, inputs.shape[:2])

    def places_of(self, evidence: Tensor, extents: Tensor | None = None) -> Tensor:
        """Compute weights (B, K, S, H, W), float32 or wider; see `Readout`."""
        _, S, _, H, W = evidence.shape  # (B, S, C', H, W)
        with without_autocast(evidence):
            queries = self.queries.expand(S, -1, -1)  # (S, K, D)
            if self.per == "step":
                queries = queries + step_positions(S, queries).unsqueeze(1)
            # q . (W x) as (q W) . x: the keys of all cells would cost far more
            projected = queries @ self.keys.weight.flatten(1)  # (S, K, C')
            logits = projected @ evidence.flatten(3)  # (B, S, K, H * W)
            logits = logits / math.sqrt(queries.shape[-1])
            return logits.softmax(-1).transpose(1, 2).unflatten(-1, (H, W))

    def cell_weights(self, places: Tensor, map_hw: tuple[int, int]) -> Tensor:
        """Return the weights themselves; see `Readout`."""
        return places


def step_positions(num_steps: int, like: Tensor) -> Tensor:
    """Return the sinusoids (num_steps, D) of time steps (Vaswani et al. 2017, section 3.5).

    Args:
        num_steps: time steps.
        like: (..., D), D even; dtype and device of the result.
    """
    D = like.shape[-1]
    rates = 10_000 ** (-torch.arange(0, D, 2, dtype=like.dtype, device=like.device) / D)
    angles = torch.arange(num_steps, dtype=like.dtype, device=like.device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
