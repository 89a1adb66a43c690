import os
import subprocess
import sys

import pytest

from stn_action.disk.process_label import is_alive, label_of, process_label


def test_a_process_is_alive_until_it_ends():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = process_label().split()[1]
    assert is_alive(process_label())
    assert not is_alive(f"{os.getpid()} {int(ticks) - 1}")  # its id was another process's before
    label = label_of(child.pid)
    assert is_alive(label)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and its parent has not looked
    assert not is_alive(label)
    child.communicate()
    assert not is_alive(label)


@pytest.mark.parametrize("label", ["", "a 1", "-1 5", "0 1", f"{10**30} 5"])
def test_what_is_no_label_is_of_no_process(label):
    assert not is_alive(label)
