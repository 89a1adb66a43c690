import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from stn_action.distributed import build_strategy, rng_state, seed_everything, set_rng_state
from stn_action.errors import InputError
from stn_action.training.checkpoint import load_checkpoint, save_checkpoint


def test_on_a_cpu_every_precision_is_float32(fresh_state):
    strategy = build_strategy("bf16", cpu=True)
    assert strategy.precision == "float32"
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


def test_random_numbers_go_on_where_they_were(tmp_path):
    save_checkpoint(tmp_path / "last.pt", {"rng": rng_state()})
    first = drawn()
    assert drawn() != first
    set_rng_state(load_checkpoint(tmp_path / "last.pt")["rng"])
    assert drawn() == first


def test_each_process_draws_other_numbers_from_the_same_seed():
    numbers = []
    for rank in (0, 1, 0):
        seed_everything(3, rank=rank)
        numbers.append(drawn())
    assert numbers[0] == numbers[2]
    assert all(one != other for one, other in zip(numbers[0], numbers[1], strict=True))
    torch.manual_seed(3)
    assert torch.rand(3).tolist() == numbers[0][0]


def test_generators_of_another_number_of_processes_are_refused(strategy):
    states = [*strategy.rng_states(), rng_state()]
    with pytest.raises(InputError, match=r"trained by 2 processes, this is a run of 1: .*torchrun"):
        strategy.set_rng_states(states)


def test_the_loop_alone_imports_neither_accelerate_nor_torchmetrics():
    code = (
        "import sys, stn_action.evaluation.views, stn_action.training.log;"
        "print([name for name in ('accelerate', 'torchmetrics', 'tensorboard')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
