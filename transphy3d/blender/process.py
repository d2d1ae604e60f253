"""How a process of Blender's begins and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from transphy3d.errors import DiskFull
from transphy3d.files import is_full


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Call `main` with the command line's words and end with its exit code.

    Blender's own teardown, which now and then hangs or crashes, is left out.
    """
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def failure(error: Exception) -> int:
    """Tell the caller on one line what went wrong; the exit code to end with.

    That of DiskFull where no space is left, which is no fault of the file that was read; else 1.
    """
    print(f"{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
    return DiskFull.exit_code if is_full(error) else 1
