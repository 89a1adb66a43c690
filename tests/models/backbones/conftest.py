import urllib.error

import pytest
import torch


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Downloads end at once; the place that PyTorch keeps them in is empty."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    return tmp_path
