"""Maps of a frozen stage, computed as fast as the machine allows.

A copy of the trunk is changed for it: batch norm is folded into the convolutions, weights are laid
out channels last, in bf16 if wanted. Frames pass through it in groups that depend on their size
alone, small enough for the activations to stay in a core's cache; each core has a group.

Letters: C, t, h, w of the map.
"""

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.batch_norm_folding import fold_batch_norm
from stn_action.models.network import FocusedNetwork
from stn_action.models.stages import evaluating, features_at, stage_map, stage_output
from stn_action.precision_choices import StoredPrecision

PIXELS_OF_PASS = {"cpu": 2**19, "cuda": 2**23}
"""Pixels of the frames that pass through the trunk together, by type of device."""

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Memory format of weights, by their number of axes; activations follow."""


class StageExtractor:
    """A function from clips to the maps of one stage, without gradients."""

    def __init__(
        self, network: FocusedNetwork, path: str, example: Tensor,
        precision: StoredPrecision = "float32",
    ) -> None:  # fmt: skip
        """Copy and change the trunk.

        Args:
            network: it computes where its parameters are; it is not changed.
            path: module path of the stage.
            example: a clip (1, 3, T, H, W), normalized or empty, on any device.
            precision: of convolutions and matrix products.

        Raises:
            InputError: there is no such stage, or its output is no map.
        """
        self.path = path
        self.precision = precision
        self.device = next(network.trunk.parameters()).device
        self.frame_wise = isinstance(network.trunk, FrameWise)
        self._normalization = network.normalization
        example = torch.cat([example, example]).to(self.device)
        with _threads(1), evaluating(network.trunk):  # little work: threads would wait mostly
            example_map, self._channels_last = stage_map(network.trunk, path, example)
            self._trunk = self._in_layout(fold_batch_norm(network.trunk, path, example), example)
        self._example_shape = tuple(example_map.shape)

    def map_shape(self, num_frames: int) -> tuple[int, int, int, int]:
        """Return (C, t, h, w) of the map of a clip as large as the example."""
        _, C, T, H, W = self._example_shape
        return C, num_frames if self.frame_wise else T, H, W

    def __call__(self, clips: Tensor) -> Tensor:
        """Return the maps (B, C, t, h, w) float16, on the CPU, of clips (B, 3, T, H, W) uint8."""
        B, _, T, H, W = clips.shape
        frames = max(1, PIXELS_OF_PASS.get(self.device.type, 2**23) // (H * W))
        if not self.frame_wise:
            return torch.cat(self._all_maps(clips.split(max(1, frames // T))))
        images = clips.transpose(1, 2).flatten(0, 1).unsqueeze(2)  # (B * T, 3, 1, H, W)
        maps = torch.cat(self._all_maps(images.split(frames)))
        return maps.squeeze(2).unflatten(0, (B, T)).transpose(1, 2)

    def _all_maps(self, parts: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps of each part; on a CPU the parts share the cores.

        One thread a part has no barriers, which cost most where other processes want the cores.
        """
        cores = torch.get_num_threads() if self.device.type == "cpu" else 1
        threads = min(cores, len(parts))
        if threads == 1:
            return [self._maps(part) for part in parts]
        set_up = partial(torch.set_num_threads, cores // threads)
        with _threads(cores), ThreadPoolExecutor(threads, initializer=set_up) as pool:
            return list(pool.map(self._maps, parts))

    @torch.inference_mode()
    def _maps(self, clips: Tensor) -> Tensor:
        clips = clips.to(self.device)
        if self.frame_wise:  # the format survives normalization
            images = clips.squeeze(2).contiguous(memory_format=torch.channels_last)
            clips = images.unsqueeze(2)
        clips = self._normalization(clips)
        with self._autocast():
            maps = features_at(self._trunk, self.path, clips, channels_last=self._channels_last)
        return maps.half().cpu()

    def _autocast(self):
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _in_layout(self, trunk: nn.Module, example: Tensor) -> nn.Module:
        """Return a copy with weights channels last, unless the trunk does not run with them."""
        plain = copy.deepcopy(trunk).requires_grad_(False).eval()
        changed = copy.deepcopy(plain)
        for weight in changed.parameters():
            if memory_format := CHANNELS_LAST.get(weight.dim()):
                weight.data = weight.data.contiguous(memory_format=memory_format)
        try:  # of two clips: with one, convolutions may leave their output contiguous
            with torch.inference_mode(), self._autocast():
                stage_output(changed, self.path, example)
        except RuntimeError:  # `view` of what is not contiguous
            return plain
        return changed


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute in some threads; after it in as many as before, threads that start then too."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
