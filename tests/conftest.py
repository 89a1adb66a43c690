"""Fixtures that every test shares."""

import random
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from tests.tiny import Finished, tiny_config, write_tiny

pytest_plugins = ["tests.full_disk", "tests.looking_network", "tests.range_server"]

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small tensors gain nothing from threads, and waiting for them on a busy machine costs.

    OpenCV's do not survive the fork of a `DataLoader` worker, which would wait for them forever.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def restored_rng():
    """Start every test from the same seed and give the generators back as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    torch.set_rng_state(states[2])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and models that stands beside a maintainer's checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: it holds real data that is not part of the project")
    return SHARED


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """Twelve training and six test videos of three classes; not to be changed."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_run(tiny_data, tmp_path_factory) -> Finished:
    """Two epochs on the tiny videos, and what was printed; not to be changed."""
    from stn_action.runs.train import train

    folder = tmp_path_factory.mktemp("tiny_run") / "run"
    printed = StringIO()
    console = Console(file=printed, soft_wrap=True, highlight=False)
    train(
        tiny_config(tiny_data, f"train.output_dir={folder}"), command="the command", console=console
    )
    return Finished(folder, printed.getvalue())


@pytest.fixture(scope="session")
def attention_run(tiny_data, tmp_path_factory) -> Path:
    """The folder of a run of one epoch whose read-out has weights; not to be changed."""
    from stn_action.runs.train import train

    folder = tmp_path_factory.mktemp("attention_run") / "run"
    settings = ["model.focus.readout=attention", "train.epochs=1", "optim.warmup_epochs=0"]
    config = tiny_config(tiny_data, *settings, f"train.output_dir={folder}")
    train(config, console=Console(quiet=True))
    return folder
