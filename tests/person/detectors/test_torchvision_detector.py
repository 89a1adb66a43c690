"""Torchvision's networks: their persons alone, weights from a file or a download."""

import pytest
import torch
from torchvision.models import get_model

from stn_action.errors import InputError
from stn_action.person.detectors.detector_table import build_detector

SSD = "ssdlite320_mobilenet_v3_large"


def test_torchvision_detectors_take_weights_from_a_file(tmp_path):
    torch.manual_seed(0)
    network = get_model(SSD, weights=None, weights_backbone=None)
    for layer in network.head.classification_head.module_list:
        bias = layer[-1].bias.data.view(-1, 91)
        bias.fill_(-5.0)
        bias[:, 1] = 1.0  # everything is a person
        bias[::2, 1] = -4.0
        bias[::2, 3] = 2.0  # or a car
    path = tmp_path / "ssd.pt"
    torch.save(network.state_dict(), path)
    detector = build_detector(f"torchvision:{SSD}={path}", min_score=0.3)
    frames = torch.randint(0, 255, (2, 3, 60, 90), dtype=torch.uint8)
    expected = network.eval()([frame / 255 for frame in frames])
    for found, raw in zip(detector.detect(frames), expected, strict=True):
        keep = (raw["labels"] == 1) & (raw["scores"] >= 0.3)
        assert 0 < len(found.boxes) == keep.sum() < len(keep)
        assert torch.equal(found.scores.sort().values, raw["scores"][keep].sort().values)
        assert found.boxes.requires_grad is False
    assert detector.name.startswith(f"torchvision:{SSD} ssd.pt ")


def test_unknown_networks_and_weights_are_named(tmp_path):
    with pytest.raises(InputError, match="no detector 'yolo'; known: fasterrcnn_mobilenet"):
        build_detector("torchvision:yolo")
    with pytest.raises(InputError, match=r"--detector: no file gone.pt; expected .pt"):
        build_detector(f"torchvision:{SSD}=gone.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=f"a.pt: these weights do not fit torchvision's {SSD}"):
        build_detector(f"torchvision:{SSD}={tmp_path / 'a.pt'}")


def test_without_a_network_the_missing_weights_are_reported(tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        InputError, match=r"could not be downloaded .*no route.* or give a file: torchvision:"
    ):
        build_detector(f"torchvision:{SSD}")
