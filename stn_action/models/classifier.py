"""Removal of the classifier that ends a video network.

The last layer with weights is a classifier if it is linear and everything that the output knows of
the input went through it: with its output held fixed, the output is the same for every clip. So
neither the last layer of a residual block nor a gate is taken for one, and the two classifiers of
distilled networks, whose scores are averaged, are found together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise
from stn_action.models.map_layout import SQUEEZED
from stn_action.models.module_exchange import exchange_modules
from stn_action.models.stages import evaluating

_MAX_CLASSIFIERS = 4
"""Classifiers whose scores a network may combine."""
_OF_SCORES = (
    nn.Softmax, nn.LogSoftmax, nn.Softmax2d, nn.Softmin, nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid,
    nn.Tanh,
)  # fmt: skip
"""Activations of scores; others, such as ReLU, rather end features."""


def remove_classifier(trunk: nn.Module, example: Tensor) -> int:
    """Replace the linear layer that ends the trunk by the identity, in place.

    The layer may be a convolution to one position, or of size 1, and a mean or maximum over
    positions, a change of shape, dropout or an activation may follow it; the activation goes, too.
    A trunk that ends in features is not changed.

    Args:
        trunk: clips (B, 3, T, H, W) to scores or features (B, D).
        example: a clip (1, 3, T, H, W).

    Returns:
        The number of features of what is left.

    Raises:
        InputError: the trunk does not end in (B, D), or in scores that cannot be taken off.
    """
    ending = _Ending()
    output = ending.run(trunk, example)
    if not isinstance(output, Tensor) or output.dim() != 2:
        raise _no_rows(trunk, example, output)
    classifiers = _classifiers(trunk, ending, example, output)
    if not classifiers or isinstance(trunk, FrameWise):  # it is made of maps, not of scores
        return output.shape[1]
    if any(_features_of(layer) is None for layer in classifiers):
        raise _unknown_ending(ending, "its weights are not those of a linear layer")
    if not all(isinstance(module, _OF_SCORES) for module in ending.activations.values()):
        declared = (getattr(module, "num_classes", None) for module in trunk.modules())
        if _width(ending.layers[-1]) not in declared:
            if ending.has_identity:  # in the classifier's place
                return output.shape[1]
            raise _unknown_ending(ending, "features may end in such an activation, too")
    substitutes = {layer.name: _Substitute(layer) for layer in classifiers}
    if not _leaves_features(trunk, substitutes, set(ending.activations), example):
        raise _unknown_ending(ending, "more follows it than a mean or maximum over positions")
    layers = {name: substitute.layer for name, substitute in substitutes.items()}
    for name, layer in layers.items() | {(name, nn.Identity()) for name in ending.activations}:
        parent, _, child = name.rpartition(".")
        setattr(trunk.get_submodule(parent), child, layer)
    features = _features_of(classifiers[0])
    assert features is not None
    return features


@dataclass
class _Layer:
    """A layer with weights of its own, as it ran."""

    name: str
    module: nn.Module
    input: Tensor | None = None
    output: Tensor | None = None

    @property
    def is_linear(self) -> bool:
        return isinstance(self.module, nn.Linear | nn.modules.conv._ConvNd)


class _Ending:
    """The last layers of a forward pass, in the order in which they started."""

    def __init__(self) -> None:
        self._before: tuple[Tensor, int] | None = None
        self.layers: list[_Layer] = []
        self.activations: dict[str, nn.Module] = {}
        """What changes values but no shape, behind the last layer with weights."""
        self.shapes: dict[str, tuple[int, ...]] = {}
        """Of the outputs of all modules, in the order of their last calls."""
        self.has_identity = False
        """Whether an identity runs behind the last activation."""

    def run(self, trunk: nn.Module, clip: Tensor) -> object:
        """Return the trunk's output."""
        handles: list[RemovableHandle] = []
        inside = ""  # of a linear layer: its parametrizations
        for name, module in trunk.named_modules():
            if not name or (inside and name.startswith(inside)):
                continue
            layer = _Layer(name, module)
            if layer.is_linear:
                inside = f"{name}."
            if layer.is_linear or any(True for _ in module.parameters(recurse=False)):
                handles.append(module.register_forward_pre_hook(self._starting(layer)))
            elif next(module.children(), None) is None:
                handles.append(module.register_forward_pre_hook(self._without_weights(name)))
            handles.append(module.register_forward_hook(self._ending(layer)))
        try:
            with evaluating(trunk):
                return trunk(clip)
        finally:
            for handle in handles:
                handle.remove()

    def _starting(self, layer: _Layer):
        def note(module: nn.Module, inputs: tuple[object, ...]) -> None:
            self.layers = [*self.layers[-2 * _MAX_CLASSIFIERS :], layer]
            self.activations = {}
            self.has_identity = False

        return note

    def _without_weights(self, name: str):
        def note(module: nn.Module, inputs: tuple[object, ...]) -> None:
            given = inputs[0] if inputs else None
            self._before = (given, given._version) if isinstance(given, Tensor) else None

        return note

    def _ending(self, layer: _Layer):
        def note(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            if not isinstance(output, Tensor):
                return
            self.shapes.pop(layer.name, None)
            self.shapes[layer.name] = tuple(output.shape)
            if self.layers and layer in self.layers:
                layer.output = output.clone()  # the next layer may work in place
                layer.input = inputs[0].clone() if isinstance(inputs[0], Tensor) else None
            elif self._before is not None and _is_changed(*self._before, output):
                self.activations[layer.name] = module
                self.has_identity = False
            self.has_identity |= isinstance(module, nn.Identity)
            self._before = None

        return note


def _is_changed(given: Tensor, version: int, output: Tensor) -> bool:
    """Return whether the output is as large as what was given, but has other values."""
    in_place = given._version != version
    return given.shape == output.shape and (in_place or not torch.equal(given, output))


def _classifiers(
    trunk: nn.Module, ending: _Ending, example: Tensor, output: Tensor
) -> list[_Layer]:
    """Return the last layers, side by side, that all the output knows of the clip went through."""
    if not ending.layers or not _may_classify(ending.layers[-1]):
        return []
    width = _width(ending.layers[-1])
    noise = _noise_like(example)
    found: list[_Layer] = []
    for layer in reversed(ending.layers):
        if not layer.is_linear and found:
            break
        if layer.input is None or layer.output is None or _width(layer) != width:
            break
        found.append(layer)
        if _know_all(trunk, found, noise, output):
            return found
        if len(found) == _MAX_CLASSIFIERS:
            break
    return []


def _know_all(trunk: nn.Module, layers: list[_Layer], clip: Tensor, output: Tensor) -> bool:
    """Return whether the output is the same for another clip while those of layers are fixed.

    If one of the layers then sees the same, too, it is behind another one, not beside it.
    """
    sees_clip: list[bool] = []

    def fixing(layer: _Layer):
        def fix(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> Tensor | None:
            assert layer.input is not None
            sees_clip.append(not torch.equal(inputs[0], layer.input))
            return layer.output

        return fix

    handles = [layer.module.register_forward_hook(fixing(layer)) for layer in layers]
    try:
        with evaluating(trunk):
            same = torch.equal(trunk(clip), output)
    finally:
        for handle in handles:
            handle.remove()
    return same and (len(layers) == 1 or all(sees_clip))


def _may_classify(layer: _Layer) -> bool:
    """Return whether a layer may be a classifier: linear, or of unknown kind and no map."""
    if layer.is_linear or layer.output is None:
        return _features_of(layer) is not None
    has_matrix = any(parameter.dim() > 1 for parameter in layer.module.parameters(recurse=False))
    return has_matrix and layer.output.dim() == 2


def _features_of(layer: _Layer) -> int | None:
    """Return the number of features that a linear layer classifies; None: it is no such layer."""
    module = layer.module
    if isinstance(module, nn.Linear):
        return module.in_features
    if not isinstance(module, nn.modules.conv._ConvNd) or layer.output is None:
        return None
    one_position = layer.output.shape[2:].numel() == 1
    return module.in_channels if one_position or set(module.kernel_size) == {1} else None


def _width(layer: _Layer) -> int:
    assert layer.output is not None
    return layer.output.shape[1 if isinstance(layer.module, nn.modules.conv._ConvNd) else -1]


class _Substitute(nn.Module):
    """The layer in a classifier's place, and what it saw."""

    seen: Tensor
    """(positions, features)."""

    def __init__(self, classifier: _Layer) -> None:
        super().__init__()
        self.is_linear = isinstance(classifier.module, nn.Linear)
        self.layer: nn.Module = nn.Identity()
        if not self.is_linear and set(classifier.module.kernel_size) != {1}:  # type: ignore[arg-type]
            pools = nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d
            self.layer = pools[len(classifier.module.kernel_size) - 1](1)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        rows = x if self.is_linear else x.movedim(1, -1)
        self.seen = rows.clone().flatten(0, -2)
        return self.layer(x)


def _leaves_features(
    trunk: nn.Module, substitutes: dict[str, "_Substitute"], activations: set[str], example: Tensor
) -> bool:
    """Return whether the rest ends in the mean or maximum of what the classifiers saw."""

    def exchange(name: str, _: nn.Module) -> nn.Module | None:
        return nn.Identity() if name in activations else substitutes.get(name)

    bare = exchange_modules(trunk, exchange)
    try:
        with evaluating(bare):
            features = bare(_noise_like(example))
    except (RuntimeError, ValueError):  # what follows counts on the number of classes
        return False
    seen = [substitute.seen for substitute in substitutes.values()]
    if len({one.shape[1] for one in seen}) > 1 or not isinstance(features, Tensor):
        return False
    means = torch.stack([one.mean(0) for one in seen]).mean(0, keepdim=True)
    maxima = torch.stack([one.amax(0) for one in seen]).mean(0, keepdim=True)
    return features.shape == means.shape and any(
        torch.allclose(features, one, rtol=1e-3, atol=1e-5) for one in (means, maxima)
    )


def _noise_like(example: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, *example.shape[1:], generator=generator).to(example)


def _unknown_ending(ending: _Ending, reason: str) -> InputError:
    last = ending.layers[-1]
    names = [
        f"{name!r} {shape}" for name, shape in ending.shapes.items() if len(shape) in (2, 4, 5)
    ]
    return InputError(
        f"the trunk ends in {last.name!r}, a {type(last.module).__name__} of {_width(last)} "
        f"outputs, which may be class scores and cannot be taken off: {reason}. Name the module "
        "whose output are the features by features_from (model.features_from in a configuration); "
        f"the last ones are {', '.join(names[-6:])}"
    )


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
