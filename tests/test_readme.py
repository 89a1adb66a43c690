"""What the README shows works as it stands there."""

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from stn_action.config.schema import load_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("python tools/")
]


def test_the_python_examples_run_as_written(tiny_run, tiny_data, tmp_path, monkeypatch):
    (tmp_path / "runs/demo/heads_seed0").mkdir(parents=True)
    shutil.copy(tiny_run.folder / "last.pt", tmp_path / "runs/demo/heads_seed0")
    shutil.copy(tiny_data / "test/left/0.mp4", tmp_path / "video.mp4")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
        if "prediction" in names and "groups" not in names:
            prediction = names["prediction"]
            assert prediction.logits.shape == (2, 101)
            assert prediction.focus[0].theta.shape == (2, 4, 1, 2, 3)
    assert names["scores"].shape == (8, 10)
    assert names["prediction"].probabilities.shape == (3,)
    assert names["network"](torch.rand(2, 3, 224, 224)).logits.shape == (2, 200)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_a_tool_and_settings_that_exist(command):
    _, tool, *arguments = shlex.split(command)
    source = (ROOT / tool).read_text(encoding="utf-8")
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert f'"{option}"' in source, f"{tool} has no {option}"
    configs = [argument for argument in arguments if argument.endswith(".yaml")]
    if configs:
        overrides = [
            argument
            for before, argument in pairwise(arguments)
            if "=" in argument and before not in ("--sweep", "--reference")
        ]
        load_config(ROOT / configs[0], overrides)


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_every_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)#]+)", README))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()
