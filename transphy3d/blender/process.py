"""How a process of Blender's begins and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Call `main` with the command line's words and end with its exit code.

    Blender's own teardown, which now and then hangs or crashes, is left out.
    """
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
