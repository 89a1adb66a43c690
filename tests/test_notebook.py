"""docs/own_videos.ipynb: stored without outputs, and its cells run one after the other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = json.loads((ROOT / "docs/own_videos.ipynb").read_text(encoding="utf-8"))
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
RUNNER = """
import ast, json, sys

names = {"__name__": "__main__"}
for number, source in enumerate(json.loads(sys.argv[1])):
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    if last is not None:  # its value is shown, as a notebook does
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
        print(f"cell {number}: {value}")
"""


def test_it_is_stored_as_it_was_before_it_ran():
    assert (NOTEBOOK["nbformat"], len(CELLS)) == (4, 4)
    for cell in CELLS:
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        compile("".join(cell["source"]), cell["id"], "exec")


@pytest.mark.slow
def test_its_cells_run_one_after_the_other(tmp_path):
    sources = ["".join(cell["source"]) for cell in CELLS]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, json.dumps(sources)],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cell 0: ['circle', 'flick', 'kick', 'punch', 'stomp', 'wave']" in done.stdout
    assert "cell 1: {'top1': " in done.stdout
    assert "cell 3: <PIL." in done.stdout
    assert len(list((tmp_path / "runs/notebook/images").iterdir())) == 2
