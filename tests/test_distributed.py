import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from stn_action.distributed import build_strategy, precision_on, seed_batch
from stn_action.errors import InputError


@pytest.mark.parametrize("fast", [True, False])
def test_a_processor_computes_in_bf16_only_if_asked_and_able(fresh_state, monkeypatch, fast):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: fast)
    assert [precision_on("cpu", one) for one in ("auto", "float32", "fp16")] == ["float32"] * 3
    strategy = build_strategy("bf16", cpu=True)
    assert strategy.precision == ("bf16" if fast else "float32")
    assert strategy.device == torch.device("cpu")


def test_an_unknown_precision_is_named():
    with pytest.raises(InputError, match=r"one of auto, float32, bf16, fp16, got 'half'"):
        build_strategy("half")


def test_one_process_keeps_what_it_has(strategy):
    assert strategy.gather([1, "a"]) == [1, "a"]
    assert strategy.sum(torch.tensor([2.0])).tolist() == [2.0]
    assert strategy.broadcast("runs/1") == "runs/1"
    assert (strategy.rank, strategy.num_processes, strategy.is_main) == (0, 1, True)


def drawn():
    gauss = random.gauss(0, 1), np.random.randn()  # noqa: NPY002
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), gauss  # noqa: NPY002


def test_what_a_batch_draws_depends_on_its_place_alone():
    places = [
        {"seed": 3, "epoch": 1, "batch": 2, "rank": 0},
        {"seed": 4, "epoch": 1, "batch": 2, "rank": 0},
        {"seed": 3, "epoch": 2, "batch": 2, "rank": 0},
        {"seed": 3, "epoch": 1, "batch": 3, "rank": 0},
        {"seed": 3, "epoch": 1, "batch": 2, "rank": 1},
        {"seed": 3, "epoch": 2, "batch": 1, "rank": 0},
    ]
    numbers = []
    for place in [*places, places[0]]:
        seed_batch(**place)
        numbers.append(drawn())
        random.gauss(0, 1)  # half of a pair waits in the generator
    assert numbers[-1] == numbers[0]
    for kind in zip(*numbers[:-1], strict=True):
        assert len({str(draw) for draw in kind}) == len(places)


def test_the_loop_alone_imports_neither_accelerate_nor_torchmetrics():
    code = (
        "import sys, stn_action.evaluation.views, stn_action.training.log;"
        "print([name for name in ('accelerate', 'torchmetrics', 'tensorboard')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
