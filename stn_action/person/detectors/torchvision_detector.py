"""Torchvision's detection networks behind the Detector protocol."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detections, check_frames
from stn_action.weights import download_state_dict, read_state_dict, short_digest

PERSON = 1
"""The label of COCO's class `person` in all of torchvision's detection networks."""


class TorchvisionDetector:
    """Faster R-CNN, RetinaNet, FCOS, SSD and the like, trained on COCO."""

    def __init__(self, model: str, weights: str | None, *, min_score: float, device: str) -> None:
        """Build the network.

        Args:
            model: name in torchvision, for instance `fasterrcnn_mobilenet_v3_large_320_fpn`.
            weights: file of a state dict; None: torchvision's best weights, downloaded once.
            min_score: weaker detections are dropped.
            device: of the network.

        Raises:
            InputError: no such network, or its weights are not available or do not fit.
        """
        known = list_models(module=detection)
        if model not in known:
            raise InputError(
                f"--detector: torchvision has no detector {model!r}; known: {', '.join(known)}"
            )
        self.min_score, self.device = min_score, device
        self.network = get_model(model, weights=None, weights_backbone=None)
        if weights is None:
            best = get_model_weights(model)["DEFAULT"]
            self.network.load_state_dict(
                download_state_dict(
                    best.url, f"--detector {model}", f"give a file: torchvision:{model}=FILE"
                )
            )
            self.name = f"torchvision:{model} {best.name}"
        else:
            _load(self.network, weights, model)
            self.name = f"torchvision:{model} {Path(weights).name} {short_digest(weights)}"
        self.network.eval().to(device)

    def detect(self, frames: Tensor) -> list[Detections]:
        """Find the persons: see `Detector.detect`; all frames go through the network at once."""
        check_frames(frames)
        images = list(frames.to(self.device).float().div(255))
        with torch.inference_mode():
            found = self.network(images)
        return [self._persons(one) for one in found]

    def _persons(self, found: dict[str, Tensor]) -> Detections:
        keep = (found["labels"] == PERSON) & (found["scores"] >= self.min_score)
        boxes, scores = found["boxes"][keep].cpu(), found["scores"][keep].cpu()
        order = scores.argsort(descending=True, stable=True)
        return Detections(boxes[order], scores[order])


def _load(network: nn.Module, weights: str, model: str) -> None:
    state = read_state_dict(weights, "--detector")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{weights}: these weights do not fit torchvision's {model} trained on COCO: {reason}"
        ) from None
