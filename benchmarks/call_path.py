"""How far a clip travels: functions and files entered from an item of the data set to the logits.

One training item of a configuration is loaded, collated and classified under a profiler; every
function of the package is counted once, every pair of files that call each other once. Of the
files that a reader has to open, those of the lower rooms (video, geometry, person) are counted
apart.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from types import FrameType

import torch

import stn_action
from stn_action.batch import collate
from stn_action.build.data import load_listing, training_dataset
from stn_action.build.model import build_network
from stn_action.config.schema import Config, load_config

PACKAGE = str(Path(stn_action.__file__).parent) + "/"
LOWER = ("geometry/", "person/", "video/")


class CallRecorder:
    """A profiler that notes which functions of the package call which."""

    def __init__(self) -> None:
        self.functions: dict[str, set[str]] = defaultdict(set)
        """By file, below the package."""
        self.pairs: set[tuple[str, str]] = set()
        """(caller, callee) files, where they differ."""

    def __enter__(self) -> "CallRecorder":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        file = _own_file(frame)
        if event != "call" or file is None or frame.f_code.co_name.startswith("<"):
            return
        self.functions[file].add(frame.f_code.co_qualname)
        caller = frame.f_back
        while caller is not None and _own_file(caller) is None:
            caller = caller.f_back
        if caller is not None and (source := _own_file(caller)) not in (None, file):
            self.pairs.add((str(source), file))


def main(arguments: list[str] | None = None) -> None:
    """Parse, trace, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="configs/sample_st.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--files", action="store_true", help="print the functions of each file")
    options = parser.parse_args(arguments)
    calls = trace(load_config(options.config, options.overrides))
    upper = [file for file in calls.functions if not file.startswith(LOWER)]
    for name, files in (("all rooms", list(calls.functions)), ("upper rooms", upper)):
        functions = sum(len(calls.functions[file]) for file in files)
        pairs = sum(caller in files and called in files for caller, called in calls.pairs)
        print(f"{name}: {functions} functions in {len(files)} files, {pairs} calls between files")
    if options.files:
        for file in sorted(calls.functions):
            print(f"{file}: {', '.join(sorted(calls.functions[file]))}")


def trace(config: Config) -> CallRecorder:
    """Record one item's way; everything that happens only once a run is over before."""
    listing = load_listing(config)
    dataset = training_dataset(config, listing.train)
    network = build_network(config, len(listing.classes), with_weights=False).eval()
    with torch.no_grad():
        network(collate([dataset[0]]).clip)
        with CallRecorder() as calls:
            network(collate([dataset[1]]).clip)
    return calls


def _own_file(frame: FrameType) -> str | None:
    path = frame.f_code.co_filename
    return path.removeprefix(PACKAGE) if path.startswith(PACKAGE) else None


if __name__ == "__main__":
    main()
