"""The command of the installed package."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import stn_action
from stn_action.entry_point import TOOLS, main
from stn_action.runs.folder import command_line
from tests.tiny import tiny_settings, write_config

ROOT = Path(__file__).parents[1]
FOR_DEVELOPERS = {"benchmark", "stress", "write_reference", "draw_transforms"}


def test_every_tool_for_users_has_a_verb():
    tools = {path.stem for path in (ROOT / "tools").glob("*.py")}
    assert {tool for tool, _ in TOOLS.values()} == tools - FOR_DEVELOPERS


@pytest.fixture
def own_argv(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stn-action"])


@pytest.mark.usefixtures("own_argv")
def test_a_verb_runs_its_tool(tiny_data, tmp_path, capsys):
    file = write_config(tmp_path / "tiny.yaml", tiny_settings(tiny_data))
    assert main(["train", str(file), "optim.lr=7e-4", "--print-config"]) == 0
    assert "lr: 0.0007" in capsys.readouterr().out
    assert command_line() == f"stn-action train {file} optim.lr=7e-4 --print-config"
    assert main(["train", str(tmp_path / "none.yml")]) == 2
    assert "none.yml: no such configuration file" in capsys.readouterr().err


@pytest.mark.usefixtures("own_argv")
def test_help_lists_the_verbs_and_a_wrong_one_the_nearest(capsys):
    assert main(["--help"]) == 0
    assert "  train          train by a configuration" in capsys.readouterr().out
    assert main([]) == main(["trian"]) == 2
    assert "no verb 'trian'; did you mean train?" in capsys.readouterr().err
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"stn_action {stn_action.__version__}\n"


@pytest.mark.slow
def test_a_wheel_has_the_tools_and_the_configurations(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    assert {"stn_action/py.typed", "stn_action/commands/train.py"} <= names
    assert not [name for name in names if name.startswith(("tests", "tools", "benchmarks"))]
    shipped = {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}
    assert {f"stn_action/shipped/{path.as_posix()}" for path in shipped} <= names
    program = "from stn_action.entry_point import main; raise SystemExit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "ucf101_st", "--print-config"],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "installed")}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert "backbone: torchvision/r2plus1d_18" in done.stdout
