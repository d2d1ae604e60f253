"""How a command takes signals, of which schedulers send several at once."""

import signal
import subprocess
import sys
import time

import pytest

from transphy3d.errors import Interrupted

SLOW_TO_STOP = """
import time
from transphy3d.cli.app import app, main

@app.command()
def dawdle() -> None:
    try:
        print("at work", flush=True)
        time.sleep(60)
    finally:
        time.sleep(0.5)
        print("written down", flush=True)

@app.command()
def other() -> None:
    pass

main()
"""


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_second_signal_does_not_break_off_what_the_first_one_began(second):
    command = [sys.executable, "-c", SLOW_TO_STOP, "dawdle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        process.send_signal(second)
        assert process.stdout.read() == "written down\n"
    assert process.returncode == Interrupted.exit_code
