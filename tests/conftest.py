"""Fixtures that every test shares."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

SHARED = Path(__file__).parents[2] / "shared"


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
