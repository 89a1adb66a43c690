"""What is imported when: the package and `--help` wait for nothing they do not need."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LATE = (
    "accelerate", "av", "cv2", "decord", "matplotlib", "pydantic", "pytorchvideo", "tensorboard",
    "timm", "torchmetrics", "torchvision", "yaml",
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


def test_the_help_of_training_loads_no_decoder_and_no_model_library():
    program = """
sys.argv = ["tools/train.py", "--help"]
try:
    runpy.run_path("tools/train.py", run_name="__main__")
except SystemExit as ending:
    assert ending.code == 0
"""
    assert loaded_by(program) == "[]"
