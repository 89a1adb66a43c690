"""What heads and other read-outs cost: step time, peak memory and GMACs of two trunks.

R(2+1)D-18 on 16 x 112 x 112 with heads after `layer3`, and tf_efficientnet_lite0, frame by frame,
with heads after its 14 x 14 stage; pooled glimpses, glimpses through the tail, zoom, whose
first look and glimpses have half of the clip's height and width (for it, the trunk alone at half
size stands beside), or another read-out of the same map (`attention` and so on; `foreground` of
persons in the middle half). A step is forward,
loss, backward of everything (weights are random: time does not depend on them). Times are ratios to
the trunk without heads, medians of interleaved repeats in one process, by the clock and by the
processor's time; peak memory is that of a process of its own for each row.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import interleaved, proc_kilobytes, ratios
from stn_action.models.backbones.backbone_table import build_backbone
from stn_action.models.model_choices import READOUTS, Glimpse, ReadoutName
from stn_action.models.network import FocusedNetwork
from stn_action.models.plug import plug
from stn_action.training.objective import ClassificationLoss


class Trunk(NamedTuple):
    """A trunk and where its heads look."""

    backbone: str
    at: str
    clip: tuple[int, int, int, int]
    """(3, T, H, W)."""


TRUNKS = {
    "r2plus1d_18": Trunk("torchvision/r2plus1d_18", "layer3", (3, 16, 112, 112)),
    "lite0": Trunk("timm/tf_efficientnet_lite0", "image.blocks.4", (3, 8, 224, 224)),
}
HALF = "half size"
"""The trunk without heads on clips of half the height and width."""
COLUMNS = (
    "trunk", "glimpses", "heads", "step / no heads", "processor", "seconds", "peak MB",
    "GMACs a clip",
)  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trunks", nargs="+", choices=TRUNKS, default=list(TRUNKS))
    parser.add_argument("--heads", nargs="+", type=int, default=[0, 1, 4, 8])
    parser.add_argument("--glimpses", nargs="+", default=["pooled", "tail", "zoom"])
    parser.add_argument("--batch", type=int, default=2, help="clips in a batch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peak", action="store_true", help="one step, print the peak memory")
    options = parser.parse_args(arguments)
    if options.peak:
        print(_peak(options))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.batch} clips")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS))
    for name in options.trunks:
        for row in _rows(name, options):
            print("| " + " | ".join(row) + " |", flush=True)


def _rows(name: str, options: argparse.Namespace) -> list[list[str]]:
    cases = [("", 0)] if 0 in options.heads else []
    cases += [(HALF, 0)] if cases and "zoom" in options.glimpses else []
    cases += [(glimpse, heads) for glimpse in options.glimpses for heads in options.heads if heads]
    networks = {case: _network(name, *case) for case in cases}
    clips = {case: _clips(name, case[0], options.batch) for case in cases}
    labels = torch.zeros(options.batch, dtype=torch.long)
    gmacs = {case: _gmacs(network, clips[case]) for case, network in networks.items()}
    taken = interleaved(
        {str(case): _step(network, clips[case], labels) for case, network in networks.items()},
        repeats=options.repeats,
        warmup=1,
    )
    base = taken[str(cases[0])]
    rows = []
    for glimpse, heads in cases:
        runs = taken[str((glimpse, heads))]
        seconds = median(run.seconds for run in runs)
        rows.append([
            name, glimpse or "none", str(heads), *ratios(runs, base), f"{seconds:.2f}",
            _peak_of(name, glimpse, heads, options.batch), f"{gmacs[glimpse, heads]:.2f}",
        ])  # fmt: skip
    return rows


def _network(name: str, glimpse: str, heads: int) -> FocusedNetwork:
    torch.manual_seed(0)
    trunk = TRUNKS[name]
    backbone = build_backbone(trunk.backbone)
    way: Glimpse = "zoom" if glimpse == "zoom" else "tail" if glimpse == "tail" else "pooled"
    readout = cast(ReadoutName, glimpse if glimpse in READOUTS else "windows")
    half = trunk.clip[-2] // 2, trunk.clip[-1] // 2
    return plug(
        backbone.trunk, at=trunk.at, heads=heads, num_classes=101, glimpse=way, readout=readout,
        example=torch.zeros(1, *trunk.clip), look_size=half, glimpse_size=half,
    )  # fmt: skip


def _clips(name: str, glimpse: str, number: int) -> Tensor:
    """Return clips (number, 3, T, H, W) of noise."""
    *rest, H, W = TRUNKS[name].clip
    return torch.rand(number, *rest, *((H // 2, W // 2) if glimpse == HALF else (H, W)))


def _extents(clips: Tensor) -> Tensor:
    """Return extents (N, T, 2, 4): the image fills the clip, the person half of its sides."""
    image_and_person = torch.tensor([[-1.0, -1.0, 1.0, 1.0], [-0.5, -0.5, 0.5, 0.5]])
    return image_and_person.expand(clips.shape[0], clips.shape[2], 2, 4)


def _step(network: FocusedNetwork, clips: Tensor, labels: Tensor) -> Callable[[], None]:
    loss, extents = ClassificationLoss(branch_loss=1.0), _extents(clips)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        loss(network(clips, extents=extents), labels).backward()

    return step


def _gmacs(network: FocusedNetwork, clips: Tensor) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(clips, extents=_extents(clips))
    return counter.get_total_flops() / 2e9 / len(clips)


def _peak(options: argparse.Namespace) -> int:
    """Megabytes of this process after two steps."""
    name, heads = options.trunks[0], options.heads[0]
    network = _network(name, options.glimpses[0], heads)
    clips = _clips(name, options.glimpses[0], options.batch)
    step = _step(network, clips, torch.zeros(options.batch, dtype=torch.long))
    step()
    step()
    # not of getrusage, which on Linux counts what the process that started this one held
    return proc_kilobytes("status", "VmHWM") // 1024


def _peak_of(name: str, glimpse: str, heads: int, batch: int) -> str:
    command = [
        sys.executable, sys.argv[0], "heads", "--peak", "--trunks", name, "--heads", str(heads),
        "--glimpses", glimpse or "pooled", "--batch", str(batch),
    ]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
