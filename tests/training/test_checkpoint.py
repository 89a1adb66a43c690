import errno
import io
import random
import signal
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from stn_action.errors import InputError
from stn_action.training.checkpoint import (
    load_checkpoint,
    restore_training_state,
    save_checkpoint,
    training_state,
)
from stn_action.training.optim import build_optimizer, parameter_groups, warmup_cosine

KILLED_WHILE_SAVING = """
import os, signal, sys
import torch
from stn_action.training import checkpoint

def killed(content, file):
    file.write(b"half a checkpoint")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = killed
checkpoint.save_checkpoint(sys.argv[1], {"epoch": 2})
"""


class Opener:
    """Unpickled without weights_only it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def built(looking_network, name: str = "adamw"):
    network = looking_network()
    groups = parameter_groups(network, lr=0.1, relative_lr=1e-3, weight_decay=0.01)
    optimizer = build_optimizer(name, groups)
    return network, optimizer, warmup_cosine(optimizer, warmup_steps=1, total_steps=9)


def test_what_is_saved_comes_back(tmp_path):
    content = {
        "epoch": 3,
        "network": OrderedDict(weight=torch.arange(3.0)),
        "config": {"lr": 1e-3, "classes": ["wave", "Stoß"], "tube": None, "pair": (1, True)},
    }
    save_checkpoint(tmp_path / "runs" / "last.pt", content)
    loaded = load_checkpoint(str(tmp_path / "runs" / "last.pt"))
    assert loaded["config"] == content["config"]
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["network"]["weight"], torch.arange(3.0))
    assert [file.name for file in (tmp_path / "runs").iterdir()] == ["last.pt"]


def test_a_save_that_fails_half_way_leaves_the_old_file(tmp_path, file_size_limit):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    file_size_limit(1 << 16)
    with pytest.raises(
        InputError, match=r"last\.pt: cannot be written \(File too large\); make room"
    ):
        save_checkpoint(path, {"epoch": 2, "weight": torch.zeros(100_000)})
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_process_killed_while_it_saves_leaves_the_old_file(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, str(path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert load_checkpoint(path) == {"epoch": 1}
    save_checkpoint(path, {"epoch": 2})  # what the killed process left is cleared away
    assert load_checkpoint(path) == {"epoch": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


def test_a_type_that_could_not_be_loaded_is_refused_when_saving(tmp_path):
    with pytest.raises(TypeError, match=r"content\['config'\]\['sizes'\]\[1\] is a float64"):
        save_checkpoint(tmp_path / "last.pt", {"config": {"sizes": [1, np.float64(2)]}})
    assert not (tmp_path / "last.pt").exists()


def test_a_missing_file_is_reported_with_what_is_there(tmp_path):
    save_checkpoint(tmp_path / "best.pt", {"epoch": 1})
    save_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    with pytest.raises(InputError, match=r"lats\.pt: no such checkpoint.*there are: best.pt, last"):
        load_checkpoint(tmp_path / "lats.pt")
    with pytest.raises(InputError, match=r"There is no folder .*runs either"):
        load_checkpoint(tmp_path / "runs" / "last.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"There is no \*\.pt in .*empty: train first"):
        load_checkpoint(tmp_path / "empty" / "last.pt")


def test_a_text_file_is_no_checkpoint(tmp_path):
    path = tmp_path / "last.pt"
    path.write_text("epoch: 3\n")
    with pytest.raises(InputError, match=r"last\.pt: not a checkpoint of stn_action"):
        load_checkpoint(path)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "last.pt"
    save_checkpoint(path, {"epoch": 3, "weight": torch.arange(20_000.0)})
    return path.read_bytes()


def test_pytorch_loads_a_file_with_a_digest(saved):
    content = torch.load(io.BytesIO(saved), weights_only=True)
    assert content["epoch"] == 3
    assert torch.equal(content["weight"], torch.arange(20_000.0))


def test_any_flipped_bit_is_noticed(saved, tmp_path):
    path = tmp_path / "last.pt"
    draw = random.Random(0)
    places = [(draw.randrange(len(saved)), draw.randrange(8)) for _ in range(300)]
    ends = [*range(60), *range(len(saved) - 120, len(saved))]
    for place, bit in [*places, *((end, draw.randrange(8)) for end in ends)]:
        data = bytearray(saved)
        data[place] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"last\.pt: (damaged|not a checkpoint)"):
            load_checkpoint(path)


def test_any_truncation_is_noticed(saved, tmp_path):
    path = tmp_path / "last.pt"
    draw = random.Random(0)
    sizes = [0, 1, 3, 22, *range(len(saved) - 80, len(saved))]
    for size in [*sizes, *(draw.randrange(len(saved)) for _ in range(40))]:
        path.write_bytes(saved[:size])
        with pytest.raises(InputError, match=rf"last\.pt: .*\({size} bytes\)"):
            load_checkpoint(path)


def test_a_checkpoint_without_digest_is_used_but_not_resumed_if_its_crcs_match(tmp_path):
    path = tmp_path / "last.pt"
    content = {"weight": torch.zeros(2000)}
    torch.save({"format": "stn_action checkpoint", "version": 2, **content}, path)
    assert load_checkpoint(path).keys() == content.keys()
    with pytest.raises(InputError, match=r"of format version 2, this stn_action reads version 3"):
        load_checkpoint(path, to_resume=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # in the weight
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged.*data/0 in it does not have its CRC"):
        load_checkpoint(path)


def test_a_checkpoint_of_this_version_has_a_digest(tmp_path):
    path = tmp_path / "last.pt"
    torch.save({"format": "stn_action checkpoint", "version": 3}, path)
    with pytest.raises(InputError, match=r"damaged.*its digest is missing"):
        load_checkpoint(path)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(InputError, match=r"an archive of more bytes than it has \(\d+ bytes\)"):
        load_checkpoint(path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"epoch": 1})
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"last\.pt: cannot be read \(Permission denied\)$"):
        load_checkpoint(path)


def refuse(path, *_):
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_a_zip_of_something_else_is_no_checkpoint(tmp_path):
    path = tmp_path / "last.pt"
    with path.open("wb") as file:
        np.savez(file, numbers=np.arange(3))
    with pytest.raises(InputError, match=r"last\.pt: damaged, or not a checkpoint of stn_action"):
        load_checkpoint(path)


def test_weights_of_something_else_are_no_checkpoint(tmp_path):
    path = tmp_path / "r2plus1d_18.pt"
    torch.save({"stem.0.weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="a PyTorch file, but not a checkpoint of stn_action"):
        load_checkpoint(path)


@pytest.mark.parametrize("version", [1, 7])
def test_another_version_is_refused_in_one_sentence_with_what_to_do(version, tmp_path):
    path = tmp_path / "last.pt"
    torch.save({"format": "stn_action checkpoint", "version": version}, path)
    message = (
        f"last.pt: a checkpoint of format version {version}, this stn_action reads version 3: "
        "train again, or use the stn_action that wrote it"
    )
    with pytest.raises(InputError, match=f"{message}$"):
        load_checkpoint(path)


def test_a_checkpoint_runs_no_code(tmp_path):
    path, trap = tmp_path / "last.pt", tmp_path / "trap"
    torch.save({"format": "stn_action checkpoint", "config": Opener(trap)}, path)
    with pytest.raises(InputError, match="damaged, or not a checkpoint"):
        load_checkpoint(path)
    assert not trap.exists()


def test_a_checkpoint_of_another_network_does_not_fit(looking_network, strategy):
    state = training_state(*built(looking_network), strategy)
    network, optimizer, schedule = built(lambda: looking_network(num_classes=4))
    with pytest.raises(InputError, match=r"does not fit the network.*size mismatch"):
        restore_training_state(state, network, optimizer, schedule, strategy)


def test_a_checkpoint_of_an_arm_with_frozen_heads_does_not_fit_another(looking_network, strategy):
    network = looking_network()
    groups = parameter_groups(network, lr=0.1, relative_lr=0.0, weight_decay=0.01)
    optimizer = build_optimizer("sgd", groups)
    schedule = warmup_cosine(optimizer, warmup_steps=0, total_steps=5)
    state = training_state(network, optimizer, schedule, strategy)
    with pytest.raises(InputError, match=r"does not fit .* different number of parameter groups"):
        restore_training_state(state, *built(looking_network, "sgd"), strategy)
