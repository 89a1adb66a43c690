import subprocess
import sys

import pytest
import torch

from stn_action.distributed import build_accelerator, gathered, summed
from stn_action.errors import InputError


def test_on_a_cpu_every_precision_is_float32(fresh_state):
    accelerator = build_accelerator("bf16", cpu=True)
    assert accelerator.mixed_precision == "no"
    assert accelerator.device == torch.device("cpu")


def test_an_unknown_precision_is_named():
    with pytest.raises(InputError, match=r"one of auto, float32, bf16, fp16, got 'half'"):
        build_accelerator("half")


def test_one_process_keeps_what_it_has(accelerator):
    assert gathered([1, "a"]) == [1, "a"]
    assert summed(torch.tensor([2.0])).tolist() == [2.0]


def test_the_loop_alone_imports_neither_accelerate_nor_torchmetrics():
    code = (
        "import sys, stn_action.evaluation.views, stn_action.training.log;"
        "print([name for name in ('accelerate', 'torchmetrics', 'tensorboard')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
