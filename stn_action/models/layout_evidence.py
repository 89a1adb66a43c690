"""What the layers before a stage tell about the layout of what it returns.

Convolutional networks give maps (N, C, H, W) or (N, C, T, H, W), windowed transformers such as Swin
(N, H, W, C) or (N, T, H, W, C), other transformers tokens (N, L, C). The shape alone does not tell
which axes are rows and columns; the layers that made it do.

Letters: L tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from torch import Tensor, nn

_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)
"""Not their subclasses: timm's and torchvision's LayerNorm2d has its channels first."""
_MAX_LEADING = 8
"""Tokens without a place on the map: one for the class, one for distillation, registers."""


class LayoutEvidence:
    """The outputs of the layers that run before a stage has finished.

    Args:
        clip: (B, 3, T, H, W), what the trunk is run on; a stage without a layer before it keeps
            the clip's layout.
    """

    def __init__(self, clip: Tensor) -> None:
        self._clip = _Extent(clip.shape[1], tuple(clip.shape[2:]))
        self._extents = [_Extent(clip.shape[1], tuple(clip.shape[3:])), self._clip]

    @contextmanager
    def watching(self, trunk: nn.Module) -> Iterator[None]:
        """Collect the outputs of the trunk's layers."""
        leaves = [part for part in trunk.modules() if next(part.children(), None) is None]
        handles = [leaf.register_forward_hook(self._note) for leaf in leaves]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def channels_last(self, features: Tensor) -> bool | None:
        """Return whether a map's channels are last; None if the layers do not tell.

        The last layer decides whose width and extent are those of one layout alone, or if there is
        none, whose width or extent is.
        """
        shape = tuple(features.shape)
        first, last = _Extent(shape[1], shape[2:]), _Extent(shape[-1], shape[1:-1])
        for agree in (_Extent.equals, _Extent.agrees):
            for extent in reversed(self._extents):
                if agree(extent, first) != agree(extent, last):
                    return agree(extent, last)
        return None

    def grid_of(self, num_tokens: int) -> tuple[int, ...] | None:
        """Return (T, H, W), or (H, W) of a frame, of the last map of so many cells; None: no map.

        Tokens that have no place on it may stand before those of its cells.

        Args:
            num_tokens: L.
        """
        for extent in reversed(self._extents):
            num_cells = prod(extent.size) if len(extent.size) > 1 else 0
            if 0 <= num_tokens - num_cells <= min(_MAX_LEADING, num_cells - 1):
                return extent.size
        return None

    def is_on_clip(self, size_hw: tuple[int, int]) -> bool:
        """Return whether a map's rows and columns can be those of the clip.

        They are neither more than the clip's, nor of an entirely different aspect ratio; rows of
        tokens are.
        """
        H, W = self._clip.size[-2:]
        stretch = (size_hw[0] / H) / (size_hw[1] / W)
        return size_hw[0] <= H and size_hw[1] <= W and 0.4 < stretch < 2.5

    def _note(self, layer: nn.Module, inputs: object, output: object) -> None:
        if not isinstance(output, Tensor) or output.dim() < 3:
            return
        shape = tuple(output.shape)
        if isinstance(layer, _CHANNELS_FIRST):
            self._extents.append(_Extent(shape[1], shape[2:]))
        elif type(layer) in _CHANNELS_LAST:
            self._extents.append(_Extent(shape[-1], shape[1:-1]))


class _Extent:
    """Width and size of what a layer returns."""

    def __init__(self, channels: int, size: tuple[int, ...]) -> None:
        self.channels = channels
        self.size = size

    def equals(self, other: "_Extent") -> bool:
        return self.channels == other.channels and self.size == other.size

    def agrees(self, other: "_Extent") -> bool:
        return self.channels == other.channels or self.size == other.size
