"""Batch norm folded into the convolutions before it: the same maps from fewer passes over memory.

In evaluation mode batch norm is an affine function of each channel, and so is part of the
convolution whose output it takes (Ioffe and Szegedy, "Batch normalization", section 3.1).
"""

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stn_action.models.module_exchange import exchange_modules
from stn_action.models.network import FocusedNetwork
from stn_action.models.stages import evaluating, stage_output

TOLERANCE = 1e-4
"""Of the difference that folding makes, as a share of the map's root mean square."""
Pairs = list[tuple[_ConvNd, _BatchNorm]]
"""Convolutions whose output is a batch norm's input, each with that batch norm."""


def fold_batch_norm(
    trunk: nn.Module, path: str, example: Tensor, more: Sequence[str] = ()
) -> nn.Module:
    """Return a copy of a trunk that computes the map of a stage without most batch norms.

    Which convolution a batch norm takes its input from is seen in a pass over the example. Where
    the result is not the same (a convolution whose output is used twice, a module called twice),
    the trunk itself is returned.

    Args:
        trunk: of clips (B, 3, T, H, W); not changed. Stages behind the given one may be wrong in
            the copy.
        path: module path of the stage.
        example: a clip (1, 3, T, H, W).
        more: paths of stages before it, whose maps must be the same too.
    """
    with noted_pairs(trunk) as pairs, evaluating(trunk):
        stage_output(trunk, path, example)
    if not pairs:
        return trunk
    folded = with_folded_pairs(trunk, pairs)
    same = all(_same_map(trunk, folded, one, example) for one in dict.fromkeys((*more, path)))
    return folded if same else trunk


def folded_network(network: FocusedNetwork, path: str, example: Tensor) -> FocusedNetwork:
    """Return a network for evaluation alone whose trunk has its batch norms folded.

    Weights are laid out channels last. Where the trunk's features are not the same, the network
    itself is returned.

    Args:
        network: in eval mode; shares all other parts with the result.
        path: module path of the last stage.
        example: a clip (1, 3, T, H, W), on the network's device.
    """
    folded = copy.copy(network)
    trunk = copy.deepcopy(fold_batch_norm(network.trunk, path, example.float()))
    folded._modules = {**network._modules, "trunk": trunk}
    for weight in trunk.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        before, after = network.trunk_features(example), folded.trunk_features(example)
    close = (before - after).abs().max() <= TOLERANCE * before.square().mean().sqrt()
    return folded if close else network


@contextmanager
def noted_pairs(module: nn.Module) -> Iterator[Pairs]:
    """Note, while the module runs in the block, which batch norm follows which convolution.

    Batch norms without stored statistics are left out.
    """
    makers: dict[int, tuple[_ConvNd, Tensor]] = {}  # the tensors live on: no id is used twice
    pairs: Pairs = []

    def note(part: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if isinstance(part, _ConvNd) and isinstance(output, Tensor):
            makers[id(output)] = part, output
        elif isinstance(part, _BatchNorm) and id(inputs[0]) in makers:
            pairs.append((makers[id(inputs[0])][0], part))

    handles = [
        part.register_forward_hook(note)
        for part in module.modules()
        if isinstance(part, _ConvNd) or (isinstance(part, _BatchNorm) and part.track_running_stats)
    ]
    try:
        yield pairs
    finally:
        makers.clear()
        for handle in handles:
            handle.remove()


def with_folded_pairs(module: nn.Module, pairs: Pairs) -> nn.Module:
    """Return a copy of a module for evaluation, with these pairs made one convolution each.

    All other parameters are shared. Whether it computes the same is for the caller to see.
    """
    norm_of = {id(convolution): norm for convolution, norm in pairs}
    norms = {id(norm) for _, norm in pairs}

    def exchanged(name: str, part: nn.Module) -> nn.Module | None:
        if isinstance(part, _ConvNd) and id(part) in norm_of:
            return _folded(part, norm_of[id(part)])
        # timm's batch norms apply their children: an activation
        return nn.Sequential(OrderedDict(part.named_children())) if id(part) in norms else None

    return exchange_modules(module, exchanged)


def _folded(convolution: _ConvNd, norm: _BatchNorm) -> nn.Module:
    training = convolution.training, norm.training
    convolution.training = norm.training = False  # what `fuse_conv_bn_eval` requires
    try:
        return fuse_conv_bn_eval(convolution, norm)
    finally:
        convolution.training, norm.training = training


def _same_map(trunk: nn.Module, folded: nn.Module, path: str, example: Tensor) -> bool:
    """Return whether both compute the same map of noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(example.shape, generator=generator).to(example)
    with evaluating(trunk), evaluating(folded):
        wanted, found = (_tensors(stage_output(one, path, noise)) for one in (trunk, folded))
    close = [
        (one - other).square().mean().sqrt() <= TOLERANCE * other.square().mean().sqrt()
        for one, other in zip(found, wanted, strict=True)
    ]
    return all(close)


def _tensors(output: object) -> list[Tensor]:
    """Return the tensors that a stage returns, alone or side by side."""
    items = output if isinstance(output, tuple | list) else (output,)
    return [item for item in items if isinstance(item, Tensor)]
