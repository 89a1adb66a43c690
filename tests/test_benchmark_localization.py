"""The driver that compares localization networks."""

import json
import shlex

import torch

from benchmarks import localization
from benchmarks.localization import KERNELS, digit_arms, table
from stn_action.build.model import build_network
from stn_action.config.schema import load_config
from stn_action.runs.probe_grid import parse_arms


def commands_of(capsys, *arguments):
    localization.main(["--list", *arguments])
    return [shlex.split(line)[2:] for line in capsys.readouterr().out.splitlines()]


def test_every_cell_is_a_configuration_that_loads(tmp_path, capsys):
    commands = commands_of(capsys, "--out", str(tmp_path))
    assert len(commands) == 2 * 3 * (1 + len(digit_arms()))
    folders = set()
    for config, *settings in commands:
        loaded = load_config(config, settings)
        folders.add(loaded.train.output_dir)
        assert loaded.train.max_steps == 1000
    assert len(folders) == len(commands)


def test_networks_of_other_kernels_have_as_many_parameters():
    counts = []
    for side in KERNELS:
        arm = digit_arms()[f"kernels {side}"]
        network = build_network(load_config("configs/paper/mnist_st_cnn.yaml", arm), 10)
        hidden = network.heads.localization.convolutions
        counts.append(sum(parameter.numel() for parameter in hidden.parameters()))
    assert max(counts) < 1.15 * min(counts)


def test_a_cell_is_not_repeated_and_stands_in_the_table(tmp_path, capsys):
    for seed, accuracy in enumerate((0.9, 0.8)):
        folder = tmp_path / "RTS" / f"kernels_3_seed{seed}"
        folder.mkdir(parents=True)
        (folder / "test.json").write_text(json.dumps({"top1": accuracy}))
    commands = commands_of(capsys, "--out", str(tmp_path))
    assert len(commands) == 2 * 3 * (1 + len(digit_arms())) - 2
    deviation = torch.tensor([10.0, 20.0]).std()
    assert f"| kernels 3 | 15.00 ± {deviation:.2f} | – |" in list(table(tmp_path))


def test_the_probes_of_the_videos_have_all_arms(capsys):
    num_arms = []
    for config, *words in commands_of(capsys, "--video"):
        variants = [words[place + 1] for place, word in enumerate(words) if word == "--variant"]
        arms = parse_arms(words[words.index("--readouts") + 1].split(","), variants)
        num_arms.append(len(arms))
        for arm in arms:
            load_config(config, arm.overrides)
    assert num_arms == [2 + len(KERNELS) + 1 + 6, 1 + 2 * 2]
