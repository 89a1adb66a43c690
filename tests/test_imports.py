"""What is imported when: the package and `--help` wait for nothing they do not need."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import stn_action

ROOT = Path(__file__).parents[1]
LATE = (
    "accelerate", "av", "cv2", "decord", "matplotlib", "pydantic", "pytorchvideo", "tensorboard",
    "timm", "torch", "torchmetrics", "torchvision", "transformers", "yaml",
)  # fmt: skip
TELL = f"print([name for name in {LATE} if name in sys.modules])"


def loaded_by(program: str) -> str:
    """The last line that a fresh interpreter prints: which of the late packages it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, runpy\n{program}\n{TELL}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


def test_importing_the_package_loads_no_decoder_and_no_model_library():
    assert loaded_by("import stn_action") == "[]"


def test_the_help_of_the_tools_loads_no_decoder_and_no_model_library():
    program = """
from pathlib import Path
for tool in sorted(Path("tools").glob("*.py")):
    sys.argv = [str(tool), "--help"]
    try:
        runpy.run_path(str(tool), run_name="__main__")
    except SystemExit as ending:
        assert ending.code == 0
"""
    assert loaded_by(program) == "[]"


def test_the_public_names_are_those_that_a_type_checker_sees():
    tree = ast.parse((ROOT / "stn_action/__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: (statement.module, alias.name)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
    assert sorted(seen) == sorted(stn_action.__all__)
    for name, (module, inside) in seen.items():
        assert getattr(stn_action, name) is getattr(import_module(module), inside)
    assert set(stn_action.__all__) <= set(dir(stn_action))
    with pytest.raises(AttributeError, match=r"module 'stn_action' has no attribute 'Heads'"):
        _ = stn_action.Heads  # pyright: ignore[reportAttributeAccessIssue]
