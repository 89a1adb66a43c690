"""The hook that connects a read-out to a trunk: it captures a stage's map and may replace it.

Letters: K descriptions, K' with one more of random windows.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.geometry.clip_sampling import fold_time, sample_clips
from stn_action.geometry.sampling import pooled
from stn_action.geometry.theta import window_theta
from stn_action.models.activation_checkpointing import (
    is_checkpointed,
    outside_checkpoint,
    refuse_reentrant,
    replace_again,
)
from stn_action.models.map_layout import CHANNELS_FIRST, StageLayout
from stn_action.models.model_choices import Glimpse
from stn_action.models.readouts.readout import Readout
from stn_action.models.readouts.window_readout import WindowReadout


@dataclass(frozen=True)
class RandomWindows:
    """Square windows of random size anywhere on the map, for training beside the heads' own.

    The diversity augmentation of AdaFocusV2 (Wang et al. 2022, arXiv 2112.14238),
    whose random patches have one size.
    """

    min_scale: float = 0.3
    """Smallest side, as a share of the map's."""
    max_scale: float = 0.7
    """Largest side, as a share of the map's."""

    def __post_init__(self) -> None:
        if not 0 < self.min_scale <= self.max_scale <= 1:
            raise InputError(
                "random windows need 0 < min_scale <= max_scale <= 1, got "
                f"{self.min_scale}, {self.max_scale}"
            )

    def draw(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw one theta (B, 1, 1, 2, 3) per clip of `like` (B, ...), float32, on its device."""
        numbers = torch.rand(len(like), 1, 1, 3, generator=generator)
        scale = self.min_scale + (self.max_scale - self.min_scale) * numbers[..., :1]
        center = (2 * numbers[..., 1:] - 1) * (1 - scale)
        return window_theta(scale.expand_as(center), center).to(like.device)


class GlimpseHook:
    """A forward hook at the stage, for one run of the trunk.

    After the run, `theta` or `weights` and `size_thw` are set, and `descriptions` if pooled.

    Args:
        readout: where to look, and how to read.
        batch_size: B; a frame-wise trunk folds time into the batch.
        glimpse: "pooled" leaves the map as it is; "tail" and "in_line", of windows alone, replace
            it by itself and the glimpses, or by the glimpses, side by side in channels.
        extents: of image and person, see `Readout`.
        given: theta or weights used instead of the read-out's own.
        random_theta: (B, 1, 1, 2, 3), adds the glimpse of this window.
        layout: how the stage returns its map.
        num_maps: how many of each clip the stage returns, those of the clips first: earlier heads
            have added their glimpses in tail mode. Only the clips' own are read.
    """

    theta: Tensor | None
    """(B, K, S, *kind), or None if there are weights."""

    weights: Tensor | None
    """(B, K, S, H, W), or None if there is theta."""

    descriptions: Tensor
    """(B, K', C, T), pooled."""

    size_thw: tuple[int, int, int]
    """Time steps, height and width of the map."""

    def __init__(
        self,
        readout: Readout,
        batch_size: int,
        *,
        glimpse: Glimpse,
        extents: Tensor | None = None,
        given: Tensor | None = None,
        random_theta: Tensor | None = None,
        layout: StageLayout = CHANNELS_FIRST,
        num_maps: int = 1,
    ) -> None:
        self.readout = readout
        self.batch_size = batch_size
        self.glimpse: Glimpse = glimpse
        self.extents = extents
        self.given = given
        self.random_theta = random_theta
        self.layout = layout
        self.num_maps = num_maps
        self.with_gradients = torch.is_grad_enabled()
        self._has_run = False

    @property
    def num_branches(self) -> int:
        """Return how many maps of each clip the rest of the trunk sees in tail mode."""
        return self.num_maps + self.readout.num_descriptions + (self.random_theta is not None)

    def __call__(self, module: nn.Module, inputs: object, output: object) -> object:
        """Return the replacement of the stage's output, or None to keep it.

        Raises:
            InputError: the stage runs a second time in one forward pass.
        """
        if self._has_run:
            raise InputError(
                "the stage of the heads runs more than once in a forward pass, so that its map "
                "is not one: choose a stage that runs once, such as a module around the calls"
            )
        self._has_run = True
        runs_again = False
        if self.with_gradients and not torch.compiler.is_compiling():
            refuse_reentrant("the stage of the heads")
            runs_again = is_checkpointed()
        # a trunk may be frozen by torch.no_grad(): heads that look at it are not
        with torch.set_grad_enabled(self.with_gradients):
            with outside_checkpoint() if runs_again else nullcontext():
                replacement = self._replacement(output)
            if runs_again and self.glimpse != "pooled":
                if self.layout.output is not None:
                    raise InputError(
                        f"glimpse {self.glimpse!r} replaces one of several things that the stage "
                        "returns, which activation checkpointing would lose in the backward pass: "
                        "use glimpse 'pooled', another stage, or no checkpointing of it"
                    )
                assert isinstance(output, Tensor)
                assert isinstance(replacement, Tensor)
                return replace_again(module, output, replacement)
            return replacement

    def _replacement(self, output: object) -> object:
        maps = self.layout.map_of(output, self.num_maps * self.batch_size)
        features = maps[: self.batch_size]
        self.size_thw = (features.shape[2], features.shape[3], features.shape[4])
        size = (features.shape[3], features.shape[4])
        if self.glimpse == "pooled":
            reading = self.readout(features, self.extents, self.given)
            self.descriptions, self.theta, self.weights = reading
            if self.random_theta is not None:
                at_random = self._pooled_at_random(features, size)
                self.descriptions = torch.cat([self.descriptions, at_random], dim=1)
            # the next layer may work in place, on what the backward pass of the glimpses needs
            if not self.with_gradients:
                return None
            return self.layout.with_tensor(output, self.layout.tensor_of(output).clone())
        assert isinstance(self.readout, WindowReadout)
        heads = self.readout.heads
        theta = heads(features, self.extents) if self.given is None else self.given
        self.theta, self.weights = theta, None
        glimpses = heads.glimpses(features, theta, size)  # (B, K, C, T, H, W)
        if self.glimpse == "in_line":
            side_by_side = glimpses.flatten(1, 2)  # (B, K * C, T, H, W)
            return self.layout.replaced(output, side_by_side)
        if self.random_theta is not None:
            at_random = sample_clips(features, self.random_theta, size, axis_aligned=True)
            glimpses = torch.cat([glimpses, at_random], dim=1)
        further = glimpses.transpose(0, 1).flatten(0, 1)  # (K' * B, C, T, H, W)
        return self.layout.replaced(output, torch.cat([maps, further]), self.num_maps)

    def _pooled_at_random(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the mean (B, 1, C, T) over the random window."""
        assert self.random_theta is not None
        maps, theta, unfold = fold_time(features, self.random_theta)
        return unfold(pooled(maps, theta, size, axis_aligned=True))


@contextmanager
def explained(at: str) -> Iterator[None]:
    """Name the glimpses where the rest of the trunk fails on the larger batch of tail mode.

    Args:
        at: the stages of the heads.
    """
    try:
        yield
    except RuntimeError as error:
        if "size" not in str(error).lower():
            raise
        raise InputError(
            f"the trunk fails with glimpses as further clips behind {at}: {error}. If that is "
            "one of several paths which are joined later, choose a stage behind that, or "
            "glimpse='pooled'"
        ) from error
