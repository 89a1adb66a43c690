"""Exported networks beside the original on the CPU: seconds of a batch of clips."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import torch
from torch import nn

from benchmarks.timing import keep_freed_memory, medians
from stn_action.export.export_checkpoint import export_checkpoint
from stn_action.export.export_choices import ExportForm
from stn_action.export.export_forms import SUFFIXES
from stn_action.export.portable_network import example_inputs
from stn_action.export.trained_network import load_exported, open_trained
from stn_action.models.network import FocusedNetwork


def main(arguments: Sequence[str]) -> None:
    """Export to a temporary folder, run all forms interleaved and print a table."""
    parser = argparse.ArgumentParser(prog="benchmark.py exported", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    opened = open_trained(options.checkpoint, (), own_files=False)
    with TemporaryDirectory() as folder:
        assert isinstance(opened.network, FocusedNetwork)
        extents = any(readout.takes_extents for readout in opened.network.readouts)
        networks: dict[str, nn.Module] = {"eager": opened.network}
        for form in get_args(ExportForm)[:2]:
            out = Path(folder) / f"network{SUFFIXES[form]}"
            export_checkpoint(options.checkpoint, form, out)
            networks[form] = load_exported(out)[0]
        print(f"{options.threads} threads; milliseconds a batch, and times faster than eager")
        print("| clips | " + " | ".join(networks) + " |")
        print("| --- |" + " --- |" * len(networks))
        for batch_size in options.batch_sizes:
            inputs = example_inputs(opened.config, batch_size, seed=0, with_extents=extents)
            with torch.inference_mode():
                seconds = medians(
                    {name: partial(network, **inputs) for name, network in networks.items()},
                    repeats=options.repeats,
                )
            cells = [
                f"{1000 * value:.1f} ({seconds['eager'] / value:.2f}x)"
                for value in seconds.values()
            ]
            print(f"| {batch_size} | " + " | ".join(cells) + " |")
