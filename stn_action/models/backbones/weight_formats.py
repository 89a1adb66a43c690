"""Names of tensors in the files of other libraries, mapped to a trunk's own.

Each was read in the library's source:

- mmaction2 (`mmaction/models/backbones/resnet3d.py`, `resnet.py`, `resnet_tsm.py`): SlowOnly-R50
  for pytorchvideo/slow_r50, TSN-R50 and TSM-R50 for timm/resnet50;
- PySlowFast (`slowfast/models/stem_helper.py`, `resnet_helper.py`, `video_model_builder.py`): Slow,
  C2D, I3D and SlowFast for pytorchvideo's networks of the same names, which are ports of them;
- timm and torchvision: ResNet-50 for the 3-D ResNets of pytorchvideo, to be inflated;
- transformers (`conversion_mapping.py`): the names that its VideoMAE and ViViT had when their
  weights were published.

What would fit a trunk by its shapes, but belongs to a network that computes something else, is
refused.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from torch import Tensor

from stn_action.errors import InputError

WRAPPERS = (
    "module.", "_orig_mod.", "backbone.", "videomae.", "vivit.", "timesformer.", "vjepa2.",
)  # fmt: skip
"""Prefixes of a network inside another: DataParallel, torch.compile, a recognizer of mmaction2, a
classification model of transformers."""

Rules = tuple[tuple[str, str], ...]
"""Pattern of the start of a name, and what takes its place; the first one that matches counts."""

FROM_MMACTION: Rules = (
    (r"conv1\.conv\.", "conv1."),
    (r"conv1\.bn\.", "bn1."),
    (r"(layer\d\.\d+)\.conv(\d)\.conv\.(net\.)?", r"\1.conv\2."),
    (r"(layer\d\.\d+)\.conv(\d)\.bn\.", r"\1.bn\2."),
    (r"(layer\d\.\d+)\.downsample\.conv\.", r"\1.downsample.0."),
    (r"(layer\d\.\d+)\.downsample\.bn\.", r"\1.downsample.1."),
    (r"cls_head\.fc_cls\.", "fc."),
)
"""To the names of ResNet in timm and torchvision."""

FROM_RESNET: Rules = (
    (r"conv1\.", "layer0.conv."),
    (r"bn1\.", "layer0.norm."),
    *(
        (rf"(layer\d)\.(\d+)\.{old}{number}\.", rf"\1.res_blocks.\2.branch2.{new}_{letter}.")
        for number, letter in zip("123", "abc", strict=True)
        for old, new in (("conv", "conv"), ("bn", "norm"))
    ),
    (r"(layer\d)\.(\d+)\.downsample\.0\.", r"\1.res_blocks.\2.branch1_conv."),
    (r"(layer\d)\.(\d+)\.downsample\.1\.", r"\1.res_blocks.\2.branch1_norm."),
    (r"fc\.", "head.proj."),
)
"""To the names of ResNet in pytorchvideo, but for the numbers of its blocks: `layer0` to `layer4`,
`head`."""

FROM_PYSLOWFAST: Rules = (
    *(
        (rf"s(\d)\.pathway(\d)_{old}\.", rf"s\1.pathway\2.{new}.")
        for old, new in (("stem.conv", "conv"), ("stem.bn", "norm"))
    ),
    (r"s(\d)_fuse\.conv_f2s\.", r"s\1.multipathway_fusion.conv_fast_to_slow."),
    (r"s(\d)_fuse\.bn\.", r"s\1.multipathway_fusion.norm."),
    *(
        (rf"s(\d)\.pathway(\d)_res(\d+)\.{old}\.", rf"s\1.pathway\2.res_blocks.\3.{new}.")
        for old, new in (
            ("branch1", "branch1_conv"), ("branch1_bn", "branch1_norm"),
            *((rf"branch2\.{letter}", f"branch2.conv_{letter}") for letter in "abc"),
            *((rf"branch2\.{letter}_bn", f"branch2.norm_{letter}") for letter in "abc"),
        )
    ),
    (r"head\.projection\.", "head.proj."),
)  # fmt: skip
"""Likewise, with `s1` to `s5` for the blocks; `pathway0` is the slow one, `pathway1` the fast."""

FROM_OLD_TRANSFORMERS: Rules = (
    (r"(.*\.attention\.attention)\.q_bias$", r"\1.query.bias"),
    (r"(.*\.attention\.attention)\.v_bias$", r"\1.value.bias"),
    *(
        (rf"encoder\.layer\.(\d+)\.{old}\.", rf"layers.\1.{new}.")
        for old, new in (
            *((rf"attention\.attention\.{one}", f"attention.{one[0]}_proj")
              for one in ("query", "key", "value")),
            (r"attention\.output\.dense", "attention.o_proj"),
            (r"intermediate\.dense", "mlp.fc1"), (r"output\.dense", "mlp.fc2"),
        )
    ),
    (r"encoder\.layer\.(\d+)\.", r"layers.\1."),
)  # fmt: skip
"""To the names of VideoMAE and ViViT."""

REFUSED = (
    (
        r"layer\d\.\d+\.conv\d\.conv\.conv_s\.",
        "R(2+1)D of mmaction2, which pools behind its stem as that of torchvision does not",
    ),
    (
        r"slow_path\.",
        "SlowFast of mmaction2, whose lateral connections have no batch norm and no ReLU as those "
        "of pytorchvideo have",
    ),
)
"""Names, and what they belong to."""


class FileTensors(NamedTuple):
    """The tensors of a file by a trunk's names."""

    state: dict[str, Tensor]

    names: dict[str, str]
    """Those of the file, by the trunk's."""

    left_out: tuple[str, ...] = ()
    """Names in the file of classifiers that the trunk has not."""

    notes: tuple[str, ...] = ()
    """What was done and what to know of it."""


def translate(state: Mapping[str, Tensor], own: Collection[str], where: str) -> FileTensors:
    """Recognize the names of a file's tensors, and map them to those of a trunk.

    Args:
        state: the file's.
        own: the trunk's.
        where: the setting and the file, for messages.

    Raises:
        InputError: the tensors are of a network that computes something else than the trunk.
    """
    state, notes = _unwrapped(state, own)
    current = {_current_name(name, own): name for name in state}
    if _share(current, own) > 0.5:  # the library's own names
        if any(new != name for new, name in current.items()):
            notes += ("names of an older version of transformers",)
        state = {new: state[name] for new, name in current.items()}
        return FileTensors(state, current, notes=notes)
    for pattern, network in REFUSED:
        if any(re.match(pattern, name) for name in state):
            raise InputError(f"{where}: these are weights of {network}; expected another file")
    if any(re.match(r"s\d\.pathway\d_stem\.", name) for name in state):
        notes += ("names of PySlowFast",)
        names = _renamed(state, FROM_PYSLOWFAST)
    else:
        names = {name: name for name in state}
        if "conv1.conv.weight" in state:
            notes += ("names of mmaction2", *_remarks(state))
            _check_stem(state["conv1.conv.weight"], where)
            names = _renamed(names.values(), FROM_MMACTION)
        if any("res_blocks" in name for name in own):
            further = _renamed(names.values(), FROM_RESNET)
            names = {name: further[renamed] for name, renamed in names.items()}
    names = {name: _in_blocks(renamed, own) for name, renamed in names.items()}
    left_out = tuple(
        name for name in state if names[name] not in own and _is_classifier(names[name])
    )
    kept = {names[name]: name for name in state if name not in left_out}
    return FileTensors({new: state[name] for new, name in kept.items()}, kept, left_out, notes)


def inflated(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], int]:
    """Return tensors in which 2-D kernels are 3-D where a trunk's are, and the number of these.

    A kernel is repeated over time and divided by its length there, so that a clip of equal frames
    has the maps of its frame (Carreira & Zisserman 2017, arXiv 1705.07750, section 2.4).

    Args:
        state: of a file, by the trunk's names.
        own: the trunk's.
    """
    result, number = dict(state), 0
    for name, value in state.items():
        wanted = own[name].shape if name in own else value.shape
        if value.ndim == 4 and len(wanted) == 5 and (*wanted[:2], *wanted[3:]) == value.shape:
            result[name] = (value / wanted[2]).unsqueeze(2).repeat(1, 1, wanted[2], 1, 1)
            number += 1
    return result, number


def _unwrapped(
    state: Mapping[str, Tensor], own: Collection[str]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Remove the prefixes of networks around this one, and tell."""
    notes: tuple[str, ...] = ()
    for prefix in WRAPPERS:
        if any(name.startswith(prefix) for name in own):
            continue
        number = sum(name.startswith(prefix) for name in state)
        shorter = {name.removeprefix(prefix): value for name, value in state.items()}
        if 2 * number > len(state) and len(shorter) == len(state):
            state = shorter
            notes += (f"removed the prefix {prefix!r} of {number} names",)
    return dict(state), notes


def _share(names: Collection[str], own: Collection[str]) -> float:
    return sum(name in own for name in names) / max(1, len(names))


def _renamed(names: Collection[str], rules: Rules) -> dict[str, str]:
    return {name: _rename(name, rules) for name in names}


def _rename(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub(rf"^{pattern}", replacement, name)
    return name


def _current_name(name: str, own: Collection[str]) -> str:
    """Return the name of a tensor of transformers that a trunk has, if it had another before."""
    renamed = _rename(name, FROM_OLD_TRANSFORMERS)
    return renamed if name not in own and renamed in own else name


def _in_blocks(name: str, own: Collection[str]) -> str:
    """Return a name with the number of its block in a trunk of pytorchvideo, some of which pool."""
    numbers = {
        int(found[1]) for one in own if (found := re.match(r"blocks\.(\d+)\..*res_blocks\.", one))
    }
    blocks = [0, *sorted(numbers)]
    found = re.match(r"(layer|s)(\d)\.(pathway\d\.|multipathway|conv\.|norm\.|res_blocks\.)", name)
    if numbers and found:
        number = int(found[2]) - (found[1] == "s")
        if number < len(blocks):
            name = f"blocks.{blocks[number]}.{name[len(found[1]) + 2 :]}"
        pathway = r"multipathway_blocks.\1." if any("multipathway" in one for one in own) else ""
        return re.sub(r"(?<=\.)pathway(\d)\.", pathway, name)
    if numbers and name.startswith("head.proj."):
        heads = [one for one in own if re.match(r"blocks\.\d+\.proj\.weight$", one)]
        return heads[0].replace("weight", name.rpartition(".")[2]) if heads else name
    return name


def _is_classifier(name: str) -> bool:
    return re.match(r"(fc|head|cls_head)\.", name) is not None


def _remarks(state: Collection[str]) -> tuple[str, ...]:
    if any(".conv.net." in name for name in state):
        return ("trained with a temporal shift in each block (model.temporal_shift, usually 8)",)
    return ()


def _check_stem(kernel: Tensor, where: str) -> None:
    if kernel.ndim == 5 and kernel.shape[2] > 1:
        raise InputError(
            f"{where}: these are weights of I3D of mmaction2, whose stem has a stride in time that "
            "that of pytorchvideo has not; expected another file"
        )
