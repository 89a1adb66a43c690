"""Removal of the classifier that ends a video network."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.module_exchange import exchange_modules
from stn_action.models.stages import SQUEEZED, evaluating


def remove_classifier(trunk: nn.Module, example: Tensor) -> int:
    """Replace the linear layer that ends the trunk by the identity, in place.

    The layer may be a 1x1 convolution, and a mean over its positions, a change of shape or a
    softmax may follow it; the softmax is exchanged, too. A trunk that does not end like this is
    not changed.

    Args:
        trunk: clips (B, 3, T, H, W) to scores or features (B, D).
        example: a clip (1, 3, T, H, W).

    Returns:
        The number of features of what is left.

    Raises:
        InputError: the trunk does not end in (B, D).
    """
    last = _LastLayer()
    output = last.run(trunk, example)
    if not isinstance(output, Tensor) or output.dim() != 2:
        raise _no_rows(trunk, example, output)
    if last.layer is None:
        return output.shape[1]
    removed = {last.name, *last.softmaxes}
    if last.scores is not output and not _ends(trunk, last, example):
        return output.shape[1]
    for name in removed:
        parent, _, child = name.rpartition(".")
        setattr(trunk.get_submodule(parent), child, nn.Identity())
    return _in_features(last.layer)


def _no_rows(trunk: nn.Module, example: Tensor, output: object) -> InputError:
    """Return the error of a trunk that does not end in (B, D)."""
    message = f"the trunk must end in scores or features (B, D), got {_shape(output)}"
    if len(example) == 1:
        with evaluating(trunk):
            of_two = trunk(torch.cat([example, example]))
        if isinstance(of_two, Tensor) and of_two.dim() == 2:
            message += f" for one clip and {_shape(of_two)} for two. {SQUEEZED}"
    return InputError(message)


def _shape(output: object) -> object:
    return tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__


class _LastLayer:
    """The last linear layer of a forward pass, and the softmaxes that follow it."""

    name = ""
    layer: nn.Module | None = None
    """None if another layer with parameters follows it."""

    scores: Tensor | None = None
    """Its output."""

    def __init__(self) -> None:
        self.softmaxes: list[str] = []

    def run(self, trunk: nn.Module, clip: Tensor) -> object:
        """Return the trunk's output."""
        leaves = {
            name: module
            for name, module in trunk.named_modules()
            if name and next(module.children(), None) is None
        }
        handles = [
            module.register_forward_hook(self._noting(name)) for name, module in leaves.items()
        ]
        try:
            with evaluating(trunk):
                return trunk(clip)
        finally:
            for handle in handles:
                handle.remove()

    def _noting(self, name: str):
        def note(module: nn.Module, inputs: object, output: Tensor) -> None:
            if isinstance(module, nn.Softmax | nn.LogSoftmax):
                self.softmaxes.append(name)
            elif _is_linear(module):
                self.name, self.layer, self.scores, self.softmaxes = name, module, output, []
            elif next(module.parameters(), None) is not None:
                self.layer = None

        return note


def _is_linear(module: nn.Module) -> bool:
    is_convolution = isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    return isinstance(module, nn.Linear) or (is_convolution and set(module.kernel_size) == {1})


def _in_features(layer: nn.Module) -> int:
    return int(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)  # type: ignore[arg-type]


def _ends(trunk: nn.Module, last: _LastLayer, example: Tensor) -> bool:
    """Return whether nothing but a mean over positions and softmaxes follows the layer."""
    assert last.layer is not None
    noise = torch.rand(example.shape, generator=torch.Generator().manual_seed(0)).to(example)
    plain = exchange_modules(trunk, lambda name, _: _identity_if(name in last.softmaxes))
    bare = exchange_modules(plain, lambda name, _: _identity_if(name == last.name))
    again = _LastLayer()
    try:
        output = again.run(plain, noise)
        with evaluating(bare):
            features = bare(noise)
    except (RuntimeError, ValueError):  # what follows counts on the number of classes
        return False
    scores = again.scores
    assert isinstance(output, Tensor)
    assert scores is not None
    scores = scores if isinstance(last.layer, nn.Linear) else scores.movedim(1, -1)
    mean = scores.reshape(len(noise), -1, scores.shape[-1]).mean(1)
    return (
        features.shape == (len(noise), _in_features(last.layer))
        and mean.shape == output.shape
        and torch.allclose(mean, output, rtol=1e-4, atol=1e-6)
    )


def _identity_if(condition: bool) -> nn.Module | None:
    return nn.Identity() if condition else None
