"""The forms of exported networks: ONNX files, PyTorch programs and safetensors, written and run."""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import save
from torch import Tensor, nn

from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError
from stn_action.export.export_choices import ExportForm
from stn_action.export.export_record import KEY, ExportRecord
from stn_action.export.portable_network import CLIP, EXTENTS, PortableNetwork, prediction_of
from stn_action.extras import needs_extra
from stn_action.models.prediction import Prediction
from stn_action.weights import short_reason

SUFFIXES: dict[ExportForm, str] = dict(
    zip(get_args(ExportForm), (".onnx", ".pt2", ".safetensors"), strict=True)
)
RECORD_FILE = f"{KEY}.json"
"""Of a PyTorch program, the name of the record in its archive."""
Run = Callable[[tuple[Tensor, ...]], list[Tensor]]


class ExportedNetwork(nn.Module):
    """An exported network with the interface of the original: clips to predictions.

    Args:
        run: input tensors on the CPU to output tensors.
        record: of the file.
    """

    def __init__(self, run: Run, record: ExportRecord) -> None:
        super().__init__()
        self._run = run
        self.record = record

    def forward(self, clip: Tensor, *, extents: Tensor | None = None) -> Prediction:
        """Classify clips (B, 3, T, H, W) uint8; raises as `outputs`."""
        return prediction_of(self.outputs(clip, extents=extents), self.record.templates)

    def outputs(self, clip: Tensor, *, extents: Tensor | None = None) -> dict[str, Tensor]:
        """Return the outputs of the file by name, for clips (B, 3, T, H, W) uint8.

        Raises:
            InputError: the clips have another size than those that it was exported for.
        """
        given = {CLIP: clip, EXTENTS: extents}
        tensors = tuple(given[name] for name in self.record.inputs)
        data = self.record.config.data
        expected = (3, data.clip.num_frames, *data.crop.size)
        if tuple(clip.shape[1:]) != expected:
            raise InputError(
                f"clip: this network was exported for clips of {expected} (channels, frames, "
                f"height, width), got {tuple(clip.shape[1:])}; export the checkpoint again with "
                "other data.clip and data.crop settings"
            )
        if any(one is None for one in tensors):
            raise InputError("extents: this network needs those of image and person, got none")
        found = self._run(tuple(one.cpu() for one in tensors if one is not None))
        return dict(zip(self.record.outputs, found, strict=True))


def traced(network: PortableNetwork, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    """Return a network as one graph, without hooks and Python, of batches of any size.

    Args:
        network: in eval mode.
        inputs: of at least two clips.
    """
    batch = torch.export.Dim("batch", min=1, max=65_536)
    network(*inputs)  # the positions of cells are found out before, and not part of the graph
    return torch.export.export(
        network, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs), strict=False
    )


def write_onnx(program: torch.export.ExportedProgram, record: ExportRecord, path: Path) -> None:
    """Write a program as an ONNX file with the record in its metadata.

    Raises:
        InputError: the extra is not installed, or the file cannot be written.
    """
    content = onnx_model(program, record.inputs, record.outputs, {KEY: record.to_text()})
    write_file(path, content)


def onnx_model(
    program: torch.export.ExportedProgram,
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
) -> bytes:
    """Return the content of an ONNX file.

    Args:
        program: see `traced`.
        inputs: names of its inputs, in order.
        outputs: names of its outputs, in order.
        metadata: kept in the file.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
    """
    with needs_extra("ONNX files"):
        import onnxscript  # noqa: F401  (the exporter uses it)

    with warnings.catch_warnings():  # of the exporter, about itself
        warnings.simplefilter("ignore")
        converted = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=list(inputs),
            output_names=list(outputs), custom_translation_table=_translations(),
        )  # fmt: skip
    assert converted is not None
    converted.model.metadata_props.update(metadata)
    return converted.model_proto.SerializeToString()


def write_program(program: torch.export.ExportedProgram, record: ExportRecord, path: Path) -> None:
    """Write a program for `torch.export.load`, the record beside it in the archive.

    Raises:
        InputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={RECORD_FILE: record.to_text()})
    write_file(path, buffer.getvalue())


def write_safetensors(state: Mapping[str, Tensor], record: ExportRecord, path: Path) -> None:
    """Write weights with the record in the header: a checkpoint without pickle.

    Raises:
        InputError: the file cannot be written.
    """
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    write_file(path, save(apart, metadata={KEY: record.to_text()}))


def onnx_session(path: Path) -> tuple[Run, str]:
    """Return a function that runs an ONNX file on the CPU, and the record in it.

    Raises:
        InputError: the extra is not installed, or it is no such file of stn_action.
    """
    with needs_extra(str(path)):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session: Any = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001  (the library's errors are of many kinds)
        reason = short_reason(error)
        raise InputError(f"{path}: this is no ONNX file that can be run ({reason})") from None
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    names = [one.name for one in session.get_inputs()]

    def run(inputs: tuple[Tensor, ...]) -> list[Tensor]:
        fed = {name: one.numpy() for name, one in zip(names, inputs, strict=True)}
        return [torch.from_numpy(one) for one in session.run(None, fed)]

    return run, _record_text(text, path)


def program_session(path: Path) -> tuple[Run, str]:
    """Return a function that runs a PyTorch program, and the record in it.

    Raises:
        InputError: it is no such file of stn_action.
    """
    extra = {RECORD_FILE: ""}
    try:
        program = torch.export.load(path, extra_files=extra)
    except Exception as error:  # noqa: BLE001  (PyTorch's errors are of many kinds)
        reason = short_reason(error)
        raise InputError(f"{path}: this is no PyTorch program that can be run ({reason})") from None
    module = program.module()

    def run(inputs: tuple[Tensor, ...]) -> list[Tensor]:
        return list(module(*inputs))

    return run, _record_text(extra[RECORD_FILE], path)


def safetensors_record(path: Path) -> str:
    """Return the record in the header of a safetensors file.

    Raises:
        InputError: it is no such file of stn_action.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: this is no safetensors file ({error})") from None
    return _record_text(metadata.get(KEY), path)


def _record_text(text: str | bytes | None, path: Path) -> str:
    if not text:
        raise InputError(
            f"{path}: it was not written by tools/export.py: the classes and settings of "
            "stn_action are not in it"
        )
    return text.decode() if isinstance(text, bytes) else text


def _translations() -> dict[Any, Callable]:
    """Return what PyTorch's exporter does not translate."""
    with needs_extra("ONNX files"):
        from onnxscript import opset18

    op: Any = opset18

    def searchsorted(
        sorted_sequence: Any, self: Any, out_int32: bool = False, right: bool = False,
        side: str | None = None, sorter: Any = None,
    ) -> Any:  # fmt: skip
        """Count the entries below each value: few are sorted."""
        entries, values = op.Unsqueeze(sorted_sequence, [-2]), op.Unsqueeze(self, [-1])
        is_right = right or side == "right"
        below = op.LessOrEqual(entries, values) if is_right else op.Less(entries, values)
        return op.ReduceSum(op.Cast(below, to=7), [-1], keepdims=False)

    return {torch.ops.aten.searchsorted.Tensor: searchsorted}
