import subprocess
import sys

import pytest

from benchmarks import evaluation_memory

CHILD = "import time; kept = b'1' * 120_000_000; time.sleep(0.7)"
PARENT = f"""
import subprocess, sys
kept = b'1' * 60_000_000
subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)
"""


def test_peaks_are_of_a_process_and_of_those_that_it_starts():
    with subprocess.Popen([sys.executable, "-c", PARENT]) as process:
        parent, child = evaluation_memory.watch(process)
    megabytes = [
        resident / evaluation_memory.KIBIBYTES_IN_MEGABYTE for resident, _ in (parent, child)
    ]
    assert 60 < megabytes[0] < 110
    assert 120 < megabytes[1] < 170
    assert all(0 < proportional <= resident for resident, proportional in (parent, child))


@pytest.mark.slow
def test_the_benchmark_has_a_row_for_each_process_of_each_test(capsys):
    evaluation_memory.main(
        ["--size", "96x64", "--frames", "40", "--videos", "1", "--workers", "0", "1",
         "--clips", "2", "--clip-size", "32"]
    )  # fmt: skip
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [(row[0].strip(), row[1].strip()) for row in rows] == [
        ("0", "main"), ("1", "main"), ("1", "loader"),
    ]  # fmt: skip
    assert all(float(cell) > 100 for row in rows for cell in row[2:4])
