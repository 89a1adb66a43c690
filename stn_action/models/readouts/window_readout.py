"""The windows of spatial transformer heads as a read-out: what they show, averaged."""

from torch import Tensor, nn

from stn_action.geometry.clip_sampling import fold_time
from stn_action.geometry.sampling import is_separable, pooled, pooling_weights
from stn_action.models.heads import FocusHeads
from stn_action.models.readouts.readout import Reading, Readout


class WindowReadout(Readout):
    """The means of K windows that learn where to look.

    It alone can also give glimpses, (K, C, T, H, W), for the rest of the trunk: its `heads`.
    """

    learns = True

    def __init__(self, heads: FocusHeads) -> None:
        super().__init__()
        self.heads = heads
        self.num_descriptions = heads.num_heads
        self.kind = heads.transform.theta_shape
        self.gain = heads.gain
        self.min_scale = heads.transform.floor
        self.takes_extents = heads.start == "foreground"

    def base_of(self, extents: Tensor | None) -> Tensor:
        """Return theta at the start of training; see `FocusHeads.base_of`."""
        return self.heads.base_of(extents)

    def forward(
        self, features: Tensor, extents: Tensor | None = None, given: Tensor | None = None
    ) -> Reading:
        """Read maps; see `Readout`."""
        heads = self.heads
        theta = heads(features, extents) if given is None else given
        size = (features.shape[3], features.shape[4])
        if heads.volumetric:
            return Reading(heads.glimpses(features, theta, size).mean((-2, -1)), theta, None)
        maps, of_maps, unfold = fold_time(features, theta)
        means = pooled(
            maps, of_maps, size, axis_aligned=heads.transform.axis_aligned,
            sampler=heads.sampler, padding=heads.padding,
        )  # fmt: skip
        return Reading(unfold(means), theta, None)

    def cell_weights(self, places: Tensor, map_hw: tuple[int, int]) -> Tensor | None:
        """Return the weights of the means of windows; see `Readout`."""
        heads = self.heads
        aligned = heads.transform.axis_aligned
        if not is_separable(places, axis_aligned=aligned, sampler=heads.sampler):
            return None
        theta = places.transpose(1, 2).flatten(0, 1)  # (B * S, K, 2, 3)
        weights = pooling_weights(
            theta, map_hw, map_hw, sampler=heads.sampler, padding=heads.padding
        )
        return weights.unflatten(0, (len(places), -1)).transpose(1, 2)

    def evidence(self, features: Tensor) -> Tensor:
        """Return the input of the localization network; see `Readout`."""
        return self.heads.evidence(features)

    def places_of(self, evidence: Tensor, extents: Tensor | None = None) -> Tensor:
        """Compute theta of the localization network's input; see `Readout`."""
        return self.heads.theta_of(evidence, extents)

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move the windows."""
        return list(self.heads.localization.parameters())
