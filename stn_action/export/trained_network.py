"""A trained network with all that its use needs, from a checkpoint or an exported file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stn_action.build.model import config_of_checkpoint, network_from_checkpoint, refuse_code
from stn_action.config.schema import Config
from stn_action.errors import InputError
from stn_action.export.export_forms import (
    SUFFIXES,
    ExportedNetwork,
    onnx_session,
    program_session,
    safetensors_record,
)
from stn_action.export.export_record import ExportRecord
from stn_action.models.network import FocusedNetwork
from stn_action.training.checkpoint import load_checkpoint
from stn_action.training.checkpoint_content import check_trained, is_multi_label, positions_in
from stn_action.weights import read_state_dict


class TrainedNetwork(NamedTuple):
    """A network, and what its file tells about it."""

    network: FocusedNetwork | ExportedNetwork
    """In eval mode."""

    classes: Sequence[str]
    """Names of the C classes."""

    config: Config
    """How clips are made, how many views a video has."""

    positions: int
    """How many positions are classified; see `VideoPrediction.positions`."""

    multi_label: bool
    """Each class has a probability of its own."""

    trained_with: Path | None
    """The person boxes of its training; None: whole frames."""


def open_trained(
    path: str | Path, overrides: Sequence[str], *, own_files: bool, trust: bool = False
) -> TrainedNetwork:
    """Open a checkpoint or a file that was exported from one.

    Args:
        path: `last.pt`, `best.pt`, or a file that ends in .onnx, .pt2 or .safetensors.
        overrides: settings in place of the file's. Boxes are used as they are: the file's
            `data.crop.box_error` counts only if it is here.
        own_files: keep the paths of files that a checkpoint names besides its data set.
        trust: run code that the file names, see `refuse_code`.

    Raises:
        InputError: it is no such file, or the overrides do not fit it.
    """
    if is_exported(path):
        network, record = load_exported(path, overrides, trust=trust)
        trained_with = None if record.people is None else Path(record.people)
        return TrainedNetwork(
            network, record.classes, record.config, record.positions, record.multi_label,
            trained_with,
        )  # fmt: skip
    return open_trained_checkpoint(path, overrides, own_files=own_files, trust=trust)


def open_trained_checkpoint(
    path: str | Path, overrides: Sequence[str], *, own_files: bool, trust: bool = False
) -> TrainedNetwork:
    """Open a checkpoint; as `open_trained`.

    Raises:
        InputError: as `open_trained`.
    """
    content: dict[str, Any] = load_checkpoint(path)
    check_trained(content, path)
    trained_with = config_of_checkpoint(content, path, trust=True).data.people  # nothing is built
    as_found = ["data.crop.box_error=none", *overrides]
    config = config_of_checkpoint(content, path, as_found, own_files=own_files, trust=trust)
    return TrainedNetwork(
        network_from_checkpoint(content, config, path), content["classes"], config,
        positions_in(content), is_multi_label(content), trained_with,
    )  # fmt: skip


def load_exported(
    path: str | Path, overrides: Sequence[str] = (), *, trust: bool = False
) -> tuple[FocusedNetwork | ExportedNetwork, ExportRecord]:
    """Load a file of `export_checkpoint`.

    Args:
        path: the file; its suffix tells the form.
        overrides: settings in place of the file's.
        trust: run code that the file names, see `refuse_code`; graphs need none.

    Returns:
        The network, and its record with the overrides.

    Raises:
        InputError: there is no such file, it is not of `export_checkpoint`, or an override is
            wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == SUFFIXES["safetensors"]:
        record = ExportRecord.from_text(safetensors_record(path), str(path), tuple(overrides))
        refuse_code(record.config, path, overrides, trust=trust)
        content = {
            "network": read_state_dict(path, str(path)), "classes": record.classes,
            "positions": record.positions,
        }  # fmt: skip
        return network_from_checkpoint(content, record.config, path), record
    open_session = onnx_session if path.suffix == SUFFIXES["onnx"] else program_session
    run, text = open_session(path)
    written = ExportRecord.from_text(text, str(path))
    record = ExportRecord.from_text(text, str(path), tuple(overrides))
    fixed = [
        (config.model, config.data.clip.num_frames, config.data.crop.size)
        for config in (record.config, written.config)
    ]
    if fixed[0] != fixed[1]:
        raise InputError(
            f"{path}: model.*, data.clip.num_frames and data.crop.size are fixed in an exported "
            "network; export the checkpoint again with these settings"
        )
    return ExportedNetwork(run, written), record


def is_exported(path: str | Path) -> bool:
    """Return whether a file's suffix is one of exported networks."""
    return Path(path).suffix in SUFFIXES.values()
