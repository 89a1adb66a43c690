"""Compiled networks, channels last and folded batch norms, beside a network as it is.

All are run interleaved; numbers are milliseconds of the processor, and how many times fewer than
the plain network takes.
"""

import argparse
import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.timing import keep_freed_memory, processor_medians
from stn_action import plug
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.compiled_network import compile_network
from stn_action.models.folded_calls import PLAIN_CLIPS, FoldedCalls
from stn_action.models.network import FocusedNetwork
from stn_action.models.weight_layout import lay_out_trunk

STAGES = {
    "small3d": "stage3",
    "torchvision/r3d_18": "layer3",
    "timm/tf_efficientnet_lite0": "image.blocks.5.0",
    "timm/resnet18": "image.layer3",
    "torchvision/r2plus1d_18": "layer3",
}
"""The trunks, and where their heads are."""


def main(arguments: Sequence[str]) -> None:
    """Print a row for each trunk, in evaluation and in training."""
    parser = argparse.ArgumentParser(prog="benchmark.py layouts", description=__doc__)
    parser.add_argument("--trunks", choices=STAGES, nargs="+", default=list(STAGES))
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled ones out")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    clip_shape = options.clips, 3, options.frames, options.size, options.size
    print(f"clips of {clip_shape}, {options.threads} threads")
    for name in options.trunks:
        networks = _networks(name, torch.zeros(1, *clip_shape[1:]), not options.no_compile)
        clips = torch.randint(0, 256, clip_shape, dtype=torch.uint8)
        for kind, call in {"forward": _predict, "step": _step}.items():
            for network in networks.values():
                network.train(kind == "step")
            variants: dict[str, Callable[[], None]] = {
                variant: partial(call, network, clips) for variant, network in networks.items()
            }
            if kind == "forward":
                variants["folded"] = partial(_predict, _folded(networks["plain"], clips), clips)
            seconds = processor_medians(variants, repeats=options.repeats)
            cells = [
                f"{variant} {1000 * value:.0f} ({seconds['plain'] / value:.2f}x)"
                for variant, value in seconds.items()
            ]
            print(f"| {name} | {kind} | " + " | ".join(cells) + " |", flush=True)


def _networks(name: str, example: Tensor, compiled: bool) -> dict[str, FocusedNetwork]:
    """Return networks of equal weights by the name of the variant."""
    backbone = build_backbone(name)
    network = plug(
        backbone.trunk, at=STAGES[name], heads=4, num_classes=20, glimpse="pooled",
        example=example, mean=backbone.spec.mean, std=backbone.spec.std,
    )  # fmt: skip
    networks = {"plain": network, "channels_last": copy.deepcopy(network)}
    lay_out_trunk(networks["channels_last"].trunk, example, "channels_last")
    if compiled:
        networks |= {
            f"{variant}, compiled".removeprefix("plain, "): copy.deepcopy(network)
            for variant, network in networks.items()
        }
        for variant, one in networks.items():
            if variant.endswith("compiled"):
                compile_network(one)
    return networks


@torch.inference_mode()
def _folded(network: FocusedNetwork, clips: Tensor) -> FoldedCalls:
    """Return calls whose batch norms are folded already."""
    calls = FoldedCalls(network)
    for _ in range(2 + PLAIN_CLIPS // len(clips)):
        calls(clips)
    return calls


@torch.inference_mode()
def _predict(network: FocusedNetwork | FoldedCalls, clips: Tensor) -> None:
    network(clips)


def _step(network: FocusedNetwork, clips: Tensor) -> None:
    network(clips).logits.square().mean().backward()
    network.zero_grad(set_to_none=True)
