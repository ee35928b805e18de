"""What is set for a process that only serves."""

import subprocess
import sys

SCRIPT = """
import gc
from gateway.wiring import memory
memory.settle()
print(gc.isenabled(), gc.get_freeze_count() > 1000, gc.get_threshold()[0] == memory.YOUNG)
"""


def test_what_is_alive_after_the_start_is_not_collected_again() -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["True"] * 3
