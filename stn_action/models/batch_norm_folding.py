"""Batch norm folded into the convolutions before it: the same maps from fewer passes over memory.

In evaluation mode batch norm is an affine function of each channel, and so is part of the
convolution whose output it takes (Ioffe and Szegedy, "Batch normalization", section 3.1).
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence

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
    pairs = _pairs(trunk, path, example)
    if not pairs:
        return trunk
    convolutions = {id(convolution): norm for convolution, norm in pairs}
    norms = {id(norm) for _, norm in pairs}

    def exchanged(name: str, module: nn.Module) -> nn.Module | None:
        if isinstance(module, _ConvNd) and id(module) in convolutions:
            return _folded(module, convolutions[id(module)])
        # timm's batch norms apply their children: an activation
        return nn.Sequential(OrderedDict(module.named_children())) if id(module) in norms else None

    folded = exchange_modules(trunk, exchanged)
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


def _pairs(trunk: nn.Module, path: str, example: Tensor) -> list[tuple[_ConvNd, _BatchNorm]]:
    """Return the convolutions whose output is a batch norm's input, with that batch norm."""
    makers: dict[int, tuple[_ConvNd, Tensor]] = {}  # the tensors live on: no id is used twice
    pairs: list[tuple[_ConvNd, _BatchNorm]] = []

    def note(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if isinstance(module, _ConvNd) and isinstance(output, Tensor):
            makers[id(output)] = module, output
        elif isinstance(module, _BatchNorm) and id(inputs[0]) in makers:
            pairs.append((makers[id(inputs[0])][0], module))

    handles = [
        part.register_forward_hook(note)
        for part in trunk.modules()
        if isinstance(part, _ConvNd) or (isinstance(part, _BatchNorm) and part.track_running_stats)
    ]
    try:
        with evaluating(trunk):
            stage_output(trunk, path, example)
    finally:
        for handle in handles:
            handle.remove()
    return pairs


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
