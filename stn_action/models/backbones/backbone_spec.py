"""The specification of a trunk: how it is built and which input it takes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.models.model_choices import PublishedWeights, Temporal

IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and standard deviation of red, green and blue over ImageNet, in [0, 255]."""

KINETICS = (110.2008, 100.63983, 95.99475), (58.14765, 56.46975, 55.332195)
"""The same over Kinetics-400, as torchvision's video networks use them."""

MIDDLE = (114.75,) * 3, (57.375,) * 3
"""0.45 and 0.225 of [0, 255], as the networks of pytorchvideo and MViT take them."""


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """One trunk: a row of `backbone_table`."""

    name: str
    """As a configuration names it: library/model."""

    builder: Callable[[str | None, Temporal], nn.Module]
    """Called with the weights (a published name, a file or None) and the temporal choice, which
    affects frame-wise trunks only. Returns a network of normalized clips (B, 3, T, H, W) to scores
    or features (B, D)."""

    published: tuple[PublishedWeights, ...] = ()
    """Weights that the library downloads."""

    mean: tuple[float, ...]
    """Of red, green and blue over the training images, in [0, 255]."""

    std: tuple[float, ...]
    """Likewise."""

    num_frames: int
    """Of the clips that the published weights were trained on."""

    stride: int
    """Source frames from one frame of a clip to the next, at about 30 per second."""

    size_hw: tuple[int, int]
    """Height and width of these clips."""

    classifier: str = ""
    """Prefix of its classifier's tensors, which a file of weights may have in another shape or not
    at all; empty: it ends in features, or its library's adapter knows."""

    fixed_clip: bool = False
    """Whether it takes clips of exactly these frames and this size, as position embeddings do."""

    any_length: bool = False
    """Whether such a trunk takes any number of frames after all, as rotary positions do."""

    stages: tuple[str, ...] = ()
    """Module paths that heads can look at, in the order of the forward pass; empty if they
    depend on the model (`stage_names` lists them)."""

    outputs: tuple[str, ...] = ()
    """Names of the maps that its stages return side by side, by index; empty: they return one."""

    frame_wise: bool = False
    """Whether every frame is processed alone until the end."""

    pack: Callable[[Tensor], object] | None = None
    """Makes the network's input from a clip, for instance a list of pathways; None: the clip."""

    def example_clip(
        self, num_frames: int | None = None, size_hw: tuple[int, int] | None = None
    ) -> Tensor:
        """Return an empty clip (1, 3, T, H, W) to find out shapes with.

        Args:
            num_frames: T; None: as the weights were trained on. A frame-wise trunk does the same
                to every frame: two are enough, and save most of the time.
            size_hw: height and width; None: likewise.
        """
        frames = self.num_frames if num_frames is None else num_frames
        if self.frame_wise:
            frames = min(frames, 2)
        return torch.zeros(1, 3, frames, *(size_hw or self.size_hw))


@dataclass(frozen=True)
class Backbone:
    """A trunk that was built, and its row."""

    trunk: nn.Module
    """Normalized clips (B, 3, T, H, W) to scores or features (B, D)."""

    spec: BackboneSpec


class PackedTrunk(nn.Module):
    """A network whose input is made from the clip; its stages are named `network.<path>`.

    Args:
        network: packed clips to scores or features (B, D).
        pack: clips (B, 3, T, H, W) to the network's input.
    """

    def __init__(self, network: nn.Module, pack: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.network = network
        self.pack = pack

    def forward(self, clip: Tensor) -> Tensor:
        """Compute (B, D) from (B, 3, T, H, W)."""
        return self.network(self.pack(clip))
