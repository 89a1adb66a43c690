"""The guard of the heads' gradients: a warning with its cause where the heads cannot learn."""

import torch
from torch import nn

from stn_action.geometry.theta import enclosing_boxes
from stn_action.models.prediction import Prediction
from stn_action.training.optim import NetworkWithHeads


class GradientGuard:
    """Warnings about localization networks that no gradient reaches.

    Nothing else shows it: the loss falls, as trunk and classifiers learn, and the windows stay.
    Training by a configuration has a guard; in a loop of your own:

        guard = GradientGuard(model)
        for clips, target in batches:
            prediction = model(clips)
            F.cross_entropy(prediction.logits, target).backward()
            for line in guard.check(prediction):  # each once
                warnings.warn(line)
            optimizer.step()
            optimizer.zero_grad()

    Parameters that do not require gradients are frozen on purpose.

    Args:
        network: whose localization networks are watched.
        patience: optimizer steps for which a gradient may be exactly zero.
    """

    def __init__(self, network: NetworkWithHeads, *, patience: int = 10) -> None:
        self.patience = patience
        self._parameters = _named_localization(network)
        self._steps_at_zero = dict.fromkeys(self._parameters, 0)
        self._missing: set[str] = set()
        self._reported: set[str] = set()

    def check(self, prediction: Prediction) -> list[str]:
        """Return new warnings, after the backward pass and before the gradients are cleared.

        Args:
            prediction: of the step.
        """
        self.note()
        return self.warnings(prediction)

    def note(self, *, resting: bool = False) -> None:
        """Take note of the gradients of a step.

        Args:
            resting: the heads have a learning rate of 0: as their last layer starts at zero, all
                others have no gradient before it has moved.
        """
        trained = {name: p for name, p in self._parameters.items() if p.requires_grad}
        self._missing = {name for name, p in trained.items() if p.grad is None}
        gradients = {name: p.grad for name, p in trained.items() if p.grad is not None}
        if not gradients:
            return
        # as PyTorch's own clipping
        norms = torch._foreach_norm(list(gradients.values()), torch.inf)  # pyright: ignore[reportPrivateImportUsage]
        largest = torch.stack([norm.float() for norm in norms])
        for name, value in zip(gradients, largest.tolist(), strict=True):  # one transfer
            at_zero = value == 0 and not resting
            self._steps_at_zero[name] = self._steps_at_zero[name] + 1 if at_zero else 0

    def warnings(self, prediction: Prediction) -> list[str]:
        """Return new warnings after `note`.

        Args:
            prediction: of the step.
        """
        still = {name for name, steps in self._steps_at_zero.items() if steps >= self.patience}
        new = (self._missing | still) - self._reported
        self._reported |= new
        lines = []
        if missing := sorted(new & self._missing):
            what = f"{_listed(missing, self._parameters)} without a gradient after a backward pass"
            lines.append(f"{what}: {_cause_of_none(prediction)}")
        if zero := sorted(new - self._missing):
            what = f"{_listed(zero, self._parameters)} with a gradient of exactly zero"
            cause = _cause_of_zero(prediction, everywhere=len(still) == len(self._parameters))
            lines.append(f"{what} for {self.patience} steps: {cause}")
        return lines


def _named_localization(network: NetworkWithHeads) -> dict[str, nn.Parameter]:
    own = {id(parameter) for parameter in network.localization_parameters()}
    named = network.named_parameters() if isinstance(network, nn.Module) else ()
    return {name: parameter for name, parameter in named if id(parameter) in own}


def _listed(names: list[str], parameters: dict[str, nn.Parameter]) -> str:
    return (
        f"the heads do not learn: {len(names)} of {len(parameters)} localization parameters "
        f"({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}) are"
    )


def _cause_of_none(prediction: Prediction) -> str:
    if not prediction.focus:
        return "the prediction has no windows. Use a network with heads, or heads=0"
    if not any(focus.places.requires_grad for focus in prediction.focus):
        return (
            "theta has none, as it was given, or computed under torch.no_grad(). Call the network "
            "without theta and with gradients, or set requires_grad to False where that is wanted"
        )
    return (
        "theta has one, but the loss does not reach it. What runs behind the heads' stage may cut "
        "it off (torch.no_grad(), .detach()), or the loss may leave out the logits; choose a later "
        "stage, glimpse='pooled', or set requires_grad to False where that is wanted"
    )


def _cause_of_zero(prediction: Prediction, *, everywhere: bool) -> str:
    if not everywhere:
        return (
            "the last layer of the localization network is at its start and passes none on. Give "
            "its parameters to the optimizer with a learning rate above 0, or set requires_grad to "
            "False where that is wanted"
        )
    boxes = [
        enclosing_boxes(focus.theta.detach())
        for focus in prediction.focus
        if focus.theta is not None
    ]
    if boxes and not any(bool(_touches_map(box).any()) for box in boxes):
        return (
            "every window is outside of the map, where nothing changes. Use a smaller relative_lr "
            "or bounded windows"
        )
    return (
        "moving the windows changes nothing. The map may be constant (a dead stage), or nothing "
        "behind the glimpses depends on them; look at the stage's features and at the loss"
    )


def _touches_map(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[..., :2] < 1).all(-1) & (boxes[..., 2:] > -1).all(-1)
