"""K transformers on the input, each glimpse described by a network: the paper's CUB model.

Jaderberg et al. 2015, section 4.3 and appendix: one localization network, shared by K transformers
of fixed scale that start on a tiling, sees a small copy of the image; the glimpses are sampled
from the large one; each is described by its own network, or by one that all share; one linear
layer classifies all descriptions side by side.

Letters: K heads, D features of a description.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.cells import Cells
from stn_action.geometry.kernels import resize_area, resize_clips
from stn_action.models.heads import FocusHeads
from stn_action.models.map_layout import with_time
from stn_action.models.prediction import Focus, Prediction


class GlimpseNetwork(nn.Module):
    """K windows on images or clips at full resolution, and a classifier of their glimpses.

    Args:
        trunk: makes the map that the localization network sees: (B, 3, h, w) or clips
            (B, 3, T, h, w) to (B, C, h', w') or (B, C, T', h', w'). It is trained at the full
            learning rate if the heads do not detach.
        heads: of that map's channels, for instance `FocusHeads(C, Translation(K), detach=False)`:
            translation at a fixed scale of 0.5, as in the paper.
        describe: glimpses to features (N, D); one network for all heads, or K of them.
        num_features: D.
        num_classes: width of the classifier.
        glimpse_size: height and width of a glimpse, pixels.
        trunk_size: height and width of the copy that the trunk sees; None: the input's.
        dropout: before the classifier.

    Raises:
        InputError: there are neither one nor K description networks.
    """

    def __init__(
        self,
        trunk: nn.Module,
        heads: FocusHeads,
        describe: nn.Module | Sequence[nn.Module],
        *,
        num_features: int,
        num_classes: int,
        glimpse_size: tuple[int, int],
        trunk_size: tuple[int, int] | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = heads
        networks = [describe] if isinstance(describe, nn.Module) else list(describe)
        if len(networks) not in (1, heads.num_heads):
            raise InputError(
                f"describe must be one network, or {heads.num_heads} (one for each head), "
                f"got {len(networks)}"
            )
        self.describe = nn.ModuleList(networks)
        self.glimpse_size = glimpse_size
        self.trunk_size = trunk_size
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(heads.num_heads * num_features, num_classes)

    @property
    def gain(self) -> float:
        """Return the factor by which the localization network's stored weights are multiplied."""
        return self.heads.gain

    def localization_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that move the windows, without the trunk's."""
        return list(self.heads.localization.parameters())

    def forward(self, clip: Tensor) -> Prediction:
        """Classify images (B, 3, H, W) or clips (B, 3, T, H, W)."""
        clips = clip if clip.dim() == 5 else clip.unsqueeze(2)
        theta = self.heads(with_time(self.trunk(self._small(clip)), len(clip)))
        if self.heads.theta_per == "step" and theta.shape[2] != clips.shape[2]:
            raise ValueError(
                f"one theta per step needs a trunk that keeps time: {theta.shape[2]} steps of "
                f"{clips.shape[2]} frames"
            )
        glimpses = self.heads.glimpses(clips, theta, self.glimpse_size)  # (B, K, 3, T, h, w)
        if clip.dim() == 4:
            glimpses = glimpses.squeeze(3)
        features = torch.cat(self._described(glimpses), dim=1)  # (B, K * D)
        size_thw = (clips.shape[2], clips.shape[3], clips.shape[4])
        focus = Focus(
            theta, self.heads.base, "input", Cells.centered(size_thw, size_thw),
            self.heads.transform.floor,
        )  # fmt: skip
        return Prediction(self.classifier(self.dropout(features)).float(), (focus,), None)

    def _described(self, glimpses: Tensor) -> list[Tensor]:
        """Return K features (B, D) of glimpses (B, K, ...)."""
        if len(self.describe) == 1:
            features = self.describe[0](glimpses.flatten(0, 1))
            return list(features.unflatten(0, glimpses.shape[:2]).unbind(1))
        pairs = zip(self.describe, glimpses.unbind(1), strict=True)
        return [network(glimpse) for network, glimpse in pairs]

    def _small(self, clip: Tensor) -> Tensor:
        if self.trunk_size is None:
            return clip
        resize = resize_area if clip.dim() == 4 else resize_clips
        return resize(clip, self.trunk_size)
