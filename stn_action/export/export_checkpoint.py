"""A checkpoint as a file that other programs run, and such a file as a network."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from stn_action.errors import InputError
from stn_action.export.export_choices import ExportForm
from stn_action.export.export_forms import (
    SUFFIXES,
    traced,
    write_onnx,
    write_program,
    write_safetensors,
)
from stn_action.export.export_record import ExportRecord, template_of
from stn_action.export.portable_network import (
    EXTENTS,
    TOLERANCE,
    PortableNetwork,
    example_inputs,
    output_names,
)
from stn_action.export.trained_network import load_exported, open_trained_checkpoint
from stn_action.models.network import FocusedNetwork

BATCH_SIZES = (1, 3)
"""Of the random clips on which an exported network is compared with the original."""


def export_checkpoint(
    path: str | Path, form: ExportForm, out: str | Path | None = None, overrides: Sequence[str] = ()
) -> list[str]:
    """Export the network of a checkpoint, and compare the file with the original.

    Args:
        path: a `last.pt` or `best.pt`.
        form: "onnx" for ONNX Runtime, "torch_export" for `torch.export.load`, "safetensors" for
            weights without pickle.
        out: the file; None: beside the checkpoint.
        overrides: settings in place of the checkpoint's: the size and length of clips count.

    Returns:
        Lines to print.

    Raises:
        InputError: no checkpoint, an override is wrong, the file cannot be written, or what was
            exported does not compute what the original does.
    """
    out = Path(path).with_suffix(SUFFIXES[form]) if out is None else Path(out)
    if out.suffix != SUFFIXES[form]:
        raise InputError(f"--out: {out} must end in {SUFFIXES[form]}, by which it is known again")
    portable, record = _opened(path, overrides)
    if form == "safetensors":
        write_safetensors(portable.network.state_dict(), record, out)
    else:
        program = traced(portable, tuple(_inputs(portable, record, 2).values()))
        (write_onnx if form == "onnx" else write_program)(program, record, out)
    lines = [f"written: {out} ({out.stat().st_size / 2**20:.1f} MiB)", *_described(record)]
    try:
        error = _difference(portable, record, out)
    except InputError:
        out.unlink()
        raise
    return [*lines, f"largest difference from the checkpoint on random clips: {error:.1e}"]


def _opened(path: str | Path, overrides: Sequence[str]) -> tuple[PortableNetwork, ExportRecord]:
    opened = open_trained_checkpoint(path, overrides, own_files=False)
    if opened.config.eval.zoom_from == "source":
        raise InputError(
            f"{path}: eval.zoom_from=source cuts glimpses out of frames of any size, which an "
            "exported network does not take; export with eval.zoom_from=clip"
        )
    network, people = opened.network, opened.trained_with
    assert isinstance(network, FocusedNetwork)
    portable = PortableNetwork(
        network, positions=opened.positions, multi_label=opened.multi_label
    ).eval()
    record = ExportRecord(
        opened.config, tuple(opened.classes), opened.positions, opened.multi_label,
        None if people is None else people.name, portable.input_names, (), (),
    )  # fmt: skip
    with torch.no_grad():
        focus = network(**_inputs(portable, record, 1)).focus
    record = replace(record, outputs=output_names(focus), templates=tuple(map(template_of, focus)))
    return portable, record


def _inputs(portable: PortableNetwork, record: ExportRecord, batch_size: int) -> dict[str, Tensor]:
    with_extents = EXTENTS in portable.input_names
    return example_inputs(record.config, batch_size, seed=batch_size, with_extents=with_extents)


@torch.no_grad()
def _difference(portable: PortableNetwork, record: ExportRecord, out: Path) -> float:
    """Return the largest difference of any output.

    Raises:
        InputError: it is above the tolerance.
    """
    exported, _ = load_exported(out)
    largest = 0.0
    for batch_size in BATCH_SIZES:
        inputs = _inputs(portable, record, batch_size)
        wanted, found = portable.network(**inputs), exported(**inputs)
        pairs = [(wanted.logits.softmax(1), found.logits.softmax(1))]
        pairs += [(a.places, b.places) for a, b in zip(wanted.focus, found.focus, strict=True)]
        largest = max(largest, *(float((a - b).abs().max()) for a, b in pairs))
    if not largest <= TOLERANCE:
        raise InputError(
            f"{out}: the exported network differs from the checkpoint by {largest:.1e}, more than "
            f"{TOLERANCE:.0e}; it was not kept. Try another form, or another version of PyTorch"
        )
    return largest


def _described(record: ExportRecord) -> list[str]:
    data = record.config.data
    H, W = data.crop.size
    return [
        f"inputs: {', '.join(record.inputs)}; clip is (batch, 3, {data.clip.num_frames}, {H}, {W}) "
        "uint8 RGB, normalized inside",
        f"outputs: {', '.join(record.outputs)}; {len(record.classes)} classes",
    ]
