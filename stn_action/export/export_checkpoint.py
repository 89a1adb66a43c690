"""A checkpoint as a file that other programs run, and such a file as a network."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from stn_action.disk.atomic_file import unwritable
from stn_action.errors import InputError
from stn_action.export.export_choices import ExportForm
from stn_action.export.export_forms import (
    SUFFIXES,
    ExportedNetwork,
    traced,
    write_onnx,
    write_program,
    write_safetensors,
)
from stn_action.export.export_record import ExportRecord, template_of
from stn_action.export.portable_network import (
    EXTENTS,
    LOGITS,
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
    path: str | Path, form: ExportForm, out: str | Path | None = None,
    overrides: Sequence[str] = (), *, trust: bool = False,
) -> list[str]:  # fmt: skip
    """Export the network of a checkpoint, and compare the file with the original.

    An older file at `out` is replaced only after the comparison.

    Args:
        path: a `last.pt` or `best.pt`.
        form: "onnx" for ONNX Runtime, "torch_export" for `torch.export.load`, "safetensors" for
            weights without pickle.
        out: the file; None: beside the checkpoint.
        overrides: settings in place of the checkpoint's: the size and length of clips count.
        trust: run code that the checkpoint names.

    Returns:
        Lines to print.

    Raises:
        InputError: no checkpoint, an override is wrong, the file cannot be written, or what was
            exported does not compute what the original does.
    """
    out = Path(path).with_suffix(SUFFIXES[form]) if out is None else Path(out)
    if out.suffix != SUFFIXES[form]:
        raise InputError(f"--out: {out} must end in {SUFFIXES[form]}, by which it is known again")
    portable, record = _opened(path, overrides, trust)
    with _draft(out) as draft:
        if form == "safetensors":
            write_safetensors(portable.network.state_dict(), record, draft)
        else:
            program = traced(portable, tuple(_inputs(portable, record, 2).values()))
            (write_onnx if form == "onnx" else write_program)(program, record, draft)
        error = _difference(portable, record, draft, out)
    return [
        f"written: {out} ({out.stat().st_size / 2**20:.1f} MiB)",
        *_described(record),
        f"largest difference from the checkpoint on random clips: {error:.1e}",
    ]


@contextmanager
def _draft(out: Path) -> Iterator[Path]:
    """Give the path of a file beside `out` that replaces it if the block ends without an error.

    Raises:
        WriteError: it cannot replace it.
    """
    draft = out.with_name(f".{out.stem}.{os.getpid()}{out.suffix}")  # the suffix tells the form
    try:
        yield draft
        try:
            draft.replace(out)
        except OSError as error:
            raise unwritable(out, error) from None
    finally:
        draft.unlink(missing_ok=True)


def _opened(
    path: str | Path, overrides: Sequence[str], trust: bool
) -> tuple[PortableNetwork, ExportRecord]:
    opened = open_trained_checkpoint(path, overrides, own_files=False, trust=trust)
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
def _difference(portable: PortableNetwork, record: ExportRecord, draft: Path, out: Path) -> float:
    """Return the largest difference of any output; of logits above 1, as a share of the largest.

    Raises:
        InputError: it is above the tolerance.
    """
    exported, found_record = load_exported(draft, trust=True)  # written here
    differences = []
    for batch_size in BATCH_SIZES:
        inputs = _inputs(portable, record, batch_size)
        wanted = dict(zip(record.outputs, portable(**inputs), strict=True))
        found = _outputs(exported, found_record, inputs)
        for name, tensor in wanted.items():
            assert found[name].shape == tensor.shape
            scale = tensor.abs().max().clamp(min=1) if name == LOGITS else 1
            differences.append((found[name] - tensor).abs().max() / scale)
    largest = float(torch.stack(differences).max())  # NaN if one is
    if not largest <= TOLERANCE:
        raise InputError(
            f"{out}: the exported network differs from the checkpoint by {largest:.1e}, more than "
            f"{TOLERANCE:.0e}; it was not kept. Try another form, or another version of PyTorch"
        )
    return largest


def _outputs(
    exported: FocusedNetwork | ExportedNetwork, record: ExportRecord, inputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Return what a loaded file computes, by the names of the outputs."""
    if isinstance(exported, ExportedNetwork):
        return exported.outputs(**inputs)
    portable = PortableNetwork(exported, positions=record.positions, multi_label=record.multi_label)
    return dict(zip(record.outputs, portable(**inputs), strict=True))


def _described(record: ExportRecord) -> list[str]:
    data = record.config.data
    H, W = data.crop.size
    return [
        f"inputs: {', '.join(record.inputs)}; clip is (batch, 3, {data.clip.num_frames}, {H}, {W}) "
        "uint8 RGB, normalized inside",
        f"outputs: {', '.join(record.outputs)}; {len(record.classes)} classes",
    ]
