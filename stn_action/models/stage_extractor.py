"""Maps of a frozen stage, computed as fast as the machine allows.

Frames pass through a copy of the trunk (`FrozenStages`), those of several videos together, as many
as keep the activations in a core's cache; each core has a pass of its own (`PassQueue`).

Letters: C, t, h, w of the map.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.frozen_stages import FrozenStages, pixels_of_pass
from stn_action.models.network import FocusedNetwork
from stn_action.models.pass_queue import PassQueue
from stn_action.precision_choices import StoredPrecision

CLEARLY_FASTER = 0.9
"""Share of a time, below which another way is taken."""
Key = TypeVar("Key")
Item = TypeVar("Item")


class StageExtractor:
    """A function from clips to the maps of one stage, without gradients."""

    def __init__(
        self, network: FocusedNetwork, path: str, example: Tensor,
        precision: StoredPrecision = "float32", *, num_views: int | None = None,
        channels_last: bool | None = None, more: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Copy and change the trunk.

        Args:
            network: it computes where its parameters are; it is not changed.
            path: module path of the stage.
            example: a clip (1, 3, T, H, W), as the network takes it or empty, on any device.
            precision: of convolutions and matrix products.
            num_views: the largest number of clips in one pass. None: as many as the first item
                has.
            channels_last: memory layout of weights and maps, where the trunk runs with it; None:
                channels last, until `choose_layout` has measured.
            more: paths of further stages, whose maps `stream` yields too.

        Raises:
            InputError: there is no such stage, or its output is no map.
        """
        self.paths = (path, *more)
        """The stages, in the order of what `stream` yields."""
        self.num_views = num_views
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
            self._stages = FrozenStages(network.trunk, path, seen, precision, more=more)
        self._choice_is_left = channels_last is None and self._stages.channels_last
        if channels_last is False:
            self._stages = self._stages.contiguous()

    def map_shape(self, num_frames: int, stage: int = 0) -> tuple[int, int, int, int]:
        """Return (C, t, h, w) of the map of a clip as large as the example, of stages in order."""
        C, T, H, W = self._stages.example_shapes[stage]
        return C, num_frames if self.keeps_frames else T, H, W

    @property
    def channels_last(self) -> bool:
        """Whether weights and maps have their channels last."""
        return self._stages.channels_last

    def num_passes(self, clips_shape: Sequence[int]) -> int:
        """Return how many passes clips (B, 3, T, H, W) take."""
        number = clips_shape[0] * (clips_shape[2] if self.frame_wise else 1)
        return math.ceil(number / self._pass_size(clips_shape))

    def choose_layout(self, clip_shape: Sequence[int]) -> str | None:
        """Time passes in both memory layouts, keep the faster one, and return a line about it.

        Contiguous maps must be a tenth faster, so that machines that are alike choose alike: maps
        differ in their last digits. In bf16 a pass in float32 is timed too.

        Args:
            clip_shape: (3, T, H, W) of the clips, as of the call.

        Returns:
            None where there is no choice.
        """
        if not self._choice_is_left:
            return None
        self._choice_is_left = False
        shape = self._first_look(torch.zeros(1, *clip_shape, dtype=torch.uint8)).shape
        size = self._pass_size((self.num_views or 1, *shape[1:]))
        number = math.ceil(size / shape[2]) if self.frame_wise else size
        clips, _ = self._inputs(torch.zeros(number, *shape[1:], dtype=torch.uint8))
        stages = {"channels last": self._stages, "contiguous": self._stages.contiguous()}
        if self.precision == "bf16":
            stages["in float32"] = self._stages.in_float32()
        with _threads(1):
            ways = {name: partial(self._maps, clips[:size], own) for name, own in stages.items()}
            taken = _seconds(ways, self.device.type)
        if taken["contiguous"] < CLEARLY_FASTER * taken["channels last"]:
            self._stages = stages["contiguous"]
        times = ", ".join(f"{1000 * seconds:.0f} ms {name}" for name, seconds in taken.items())
        return f"{size} {'frames' if self.frame_wise else 'clips'} take {times}"

    def __call__(self, clips: Tensor) -> Tensor:
        """Return the maps (B, C, t, h, w) float16, on the CPU, of clips (B, 3, T, H, W) uint8."""
        ((_, maps),) = self.stream([(None, clips)])
        return maps[0]

    def stream(self, items: Iterable[tuple[Key, Tensor]]) -> Iterator[tuple[Key, list[Tensor]]]:
        """Yield the maps of the clips of each item, in order; others are made meanwhile.

        Args:
            items: what they are found by, and clips as of the call, at least one and all of one
                size. Where they end by an error, what came before is finished first.

        Yields:
            The key of an item and its maps, as of the call: those of the stage, then those of each
            further one.
        """
        cores = torch.get_num_threads() if self.device.type == "cpu" else 1
        set_up = partial(torch.set_num_threads, 1)  # no barriers: they cost most under load
        queue: PassQueue[tuple[Key, int]] | None = None
        stopped: list[BaseException] = []
        # one for this thread too: others of it would spin between its small operations
        with _threads(1), ThreadPoolExecutor(cores, initializer=set_up) as pool:
            for key, clips in _until_error(items, stopped):
                inputs, size = self._inputs(self._first_look(clips))
                queue = queue or PassQueue(self._maps, size, pool)
                queue.add((key, len(clips)), inputs)
                yield from self._by_clip(queue.finished(2 * cores))
            if queue is not None:
                queue.fill_up()
                yield from self._by_clip(queue.finished())
        for error in stopped:
            raise error

    def _inputs(self, clips: Tensor) -> tuple[Tensor, int]:
        """Return what passes through the trunk, images or clips, and how many do together."""
        size = self._pass_size(clips.shape)
        if self.frame_wise:
            clips = clips.transpose(1, 2).flatten(0, 1).unsqueeze(2)  # (B * T, 3, 1, H, W)
        return clips, size

    def _pass_size(self, clips_shape: Sequence[int]) -> int:
        """Return how many images or clips pass together, of clips (B, 3, T, H, W)."""
        B, _, T, H, W = clips_shape
        frames = max(1, pixels_of_pass(self.device.type) // (H * W))
        views = B if self.num_views is None else self.num_views
        return min(frames, views * T) if self.frame_wise else min(max(1, frames // T), views)

    def _by_clip(
        self, finished: Iterable[tuple[tuple[Key, int], list[Tensor]]]
    ) -> Iterator[tuple[Key, list[Tensor]]]:
        """Yield maps (B, C, t, h, w) of those that passed."""
        for (key, number), maps in finished:
            if self.frame_wise:  # (B * T, C, 1, h, w)
                maps = [one.squeeze(2).unflatten(0, (number, -1)).transpose(1, 2) for one in maps]
            yield key, maps

    @torch.inference_mode()
    def _maps(self, clips: Tensor, stages: FrozenStages | None = None) -> list[Tensor]:
        stages = stages or self._stages
        clips = clips.to(self.device)
        if self.frame_wise and stages.channels_last:  # the format survives normalization
            images = clips.squeeze(2).contiguous(memory_format=torch.channels_last)
            clips = images.unsqueeze(2)
        return [one.half().cpu() for one in stages.all_maps(self._normalization(clips))]


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute in some threads; after it in as many as before, threads that start then too."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _until_error(items: Iterable[Item], errors: list[BaseException]) -> Iterator[Item]:
    """Yield items until there are no more, or an error that is kept ends them."""
    try:
        yield from items
    except BaseException as error:  # noqa: BLE001  (Ctrl-C too; it is raised again)
        errors.append(error)


def _seconds(ways: Mapping[str, Callable[[], object]], device_type: str) -> dict[str, float]:
    """Return the shortest of three times of each way, after one that does not count."""
    # what other processes take does not count, where the thread that waits is the one that works
    clock = time.thread_time if device_type == "cpu" else time.perf_counter
    taken: dict[str, float] = {}
    for repeat in range(4):
        for name, way in ways.items():
            start = clock()
            way()
            seconds = clock() - start
            taken[name] = seconds if repeat < 2 else min(seconds, taken[name])
    return taken
