"""Maps of a frozen stage, computed as fast as the machine allows.

Frames pass through a copy of the trunk (`FrozenStages`) in groups that depend on their size alone,
small enough for the activations to stay in a core's cache; each core has a group.

Letters: C, t, h, w of the map.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.frozen_stages import FrozenStages, pixels_of_pass
from stn_action.models.network import FocusedNetwork
from stn_action.precision_choices import StoredPrecision


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
            example: a clip (1, 3, T, H, W), as the network takes it or empty, on any device.
            precision: of convolutions and matrix products.

        Raises:
            InputError: there is no such stage, or its output is no map.
        """
        self.path = path
        self.precision = precision
        self.device = next(network.trunk.parameters()).device
        trunk = network.trunk
        self.keeps_frames = isinstance(trunk, FrameWise)
        self.frame_wise = isinstance(trunk, FrameWise) and trunk.shift is None
        """Whether a frame's map depends on no other frame, so that any may pass together."""
        self._normalization = network.normalization
        self._first_look = network.first_look
        seen = self._first_look(example.to(self.device))
        with _threads(1):  # little work: threads would wait mostly
            self._stages = FrozenStages(network.trunk, path, seen, precision)

    def map_shape(self, num_frames: int) -> tuple[int, int, int, int]:
        """Return (C, t, h, w) of the map of a clip as large as the example."""
        C, T, H, W = self._stages.example_shape
        return C, num_frames if self.keeps_frames else T, H, W

    def __call__(self, clips: Tensor) -> Tensor:
        """Return the maps (B, C, t, h, w) float16, on the CPU, of clips (B, 3, T, H, W) uint8."""
        clips = self._first_look(clips)
        B, _, T, H, W = clips.shape
        frames = max(1, pixels_of_pass(self.device.type) // (H * W))
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
        return self._stages(self._normalization(clips)).half().cpu()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute in some threads; after it in as many as before, threads that start then too."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
