"""Loading of a trunk's weights from a file, which must match it tensor by tensor."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.backbones.weight_formats import FileTensors, inflated, translate
from stn_action.weights import read_state_dict

REPORT = "loaded_weights"
"""Attribute of a network that has the report of what was loaded into it."""
SHOWN = 3
"""Names in a message."""


@dataclass(frozen=True)
class WeightsReport:
    """What was loaded into a network, and what not and why."""

    path: str
    matched: int
    """Tensors of the network that the file has, without counters of batches."""
    total: int
    """Of the network."""
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return a line for the result and for each note."""
        first = f"weights of {self.path}: matched {self.matched} of {self.total} tensors"
        return [first, *(f"  {note}" for note in self.notes)]


def load_weights(network: nn.Module, path: str | Path, *, optional: Collection[str] = ()) -> None:
    """Load a state dict, of the network's own names or of another library's.

    2-D kernels are inflated where the network's are 3-D, see `weight_formats`. What was loaded is
    found by `reports_of` later.

    Args:
        network: changed in place.
        path: .pt, .pth or .safetensors.
        optional: names of tensors, or prefixes that end in a point, which the file or the network
            may have alone: the classifier that is replaced, for instance.

    Raises:
        InputError: no such file, no state dict, tensors that are missing, of another shape
            or unknown, or of a network that computes something else; names them.
    """
    own = network.state_dict()
    file = read_state_dict(path, "model.weights")
    translation = translate(file, own, f"model.weights: {path}")
    state, num_inflated = inflated(translation.state, own)
    fitting = fitting_weights(own, state, optional=optional, path=path, num_in_file=len(file))
    network.load_state_dict(fitting, strict=False)
    setattr(network, REPORT, _report(path, own, state, fitting, translation, num_inflated))


def fitting_weights(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    *,
    optional: Collection[str] = (),
    path: str | Path = "",
    num_in_file: int | None = None,
) -> dict[str, Tensor]:
    """Return the tensors that a network takes, after checking that nothing is wrong with any.

    Counters of batch norm (`num_batches_tracked`) may be missing: other libraries have none.

    Args:
        own: of the network.
        state: of the file, by the network's names.
        optional: see `load_weights`.
        path: of the file, for the message.
        num_in_file: tensors of the file, for the message; None: those of `state`.

    Raises:
        InputError: tensors are missing, of another shape or unknown; names them.
    """
    num_in_file = len(state) if num_in_file is None else num_in_file

    def wanted(name: str) -> bool:
        known = name.endswith("num_batches_tracked") or name in optional
        return not known and not any(p.endswith(".") and name.startswith(p) for p in optional)

    wrong = [
        name
        for name, value in own.items()
        if wanted(name) and (name not in state or state[name].shape != value.shape)
    ]
    surplus = [name for name in state if wanted(name) and name not in own]
    problems = []
    if wrong:
        problems.append(
            f"{len(wrong)} of {len(own)} tensors are missing or of another shape, {_first(wrong)}"
        )
    if surplus:
        problems.append(
            f"{len(surplus)} of the file's {num_in_file} tensors are unknown, {_first(surplus)}"
        )
    if problems:
        raise InputError(
            f"{path}: the weights do not fit the backbone: {'; '.join(problems)}; expected the "
            "state dict of this very model (with its library's names)"
        )
    return {
        name: state[name]
        for name, value in own.items()
        if name in state and state[name].shape == value.shape
    }


def reports_of(network: nn.Module) -> list[WeightsReport]:
    """Return what was loaded from files into a network and the modules in it."""
    found = (module.__dict__.get(REPORT) for module in network.modules())
    return [report for report in found if report is not None]


def note_weights(network: nn.Module, path: str | Path, number: int, note: str) -> None:
    """Keep a report of a file of which all tensors were loaded, for `reports_of`."""
    setattr(network, REPORT, WeightsReport(str(path), number, number, (note,)))


def _report(
    path: str | Path, own: Mapping[str, Tensor], state: Mapping[str, Tensor],
    fitting: Mapping[str, Tensor], translation: FileTensors, num_inflated: int,
) -> WeightsReport:  # fmt: skip
    counted, matched = _without_counters(own), _without_counters(fitting)
    unused = _without_counters(state.keys() - fitting.keys())
    left_out = [*translation.left_out, *(translation.names[name] for name in unused)]
    initialized = _without_counters(own.keys() - fitting.keys())
    notes = list(translation.notes)
    if num_inflated:
        notes.append(f"inflated {num_inflated} tensors: 2-D kernels repeated over time")
    if left_out:
        notes.append(
            f"left out {len(left_out)} of the file, {_owner(left_out)}: {_first(left_out)}"
        )
    if initialized:
        notes.append(f"as initialized, not in the file: {_first(initialized)}")
    return WeightsReport(str(path), len(matched), len(counted), tuple(notes))


def _owner(names: list[str]) -> str:
    """Return whose tensors are left out, for a note."""
    of_training = ("predictor.", "decoder.", "encoder_to_decoder.", "mask_token")
    return (
        "of the pre-training" if any(n.startswith(of_training) for n in names) else "a classifier's"
    )


def _without_counters(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if not name.endswith("num_batches_tracked"))


def _first(names: list[str]) -> str:
    quoted = ", ".join(repr(name) for name in names[:SHOWN])
    return f"the first {quoted}" if len(names) > 1 else quoted
