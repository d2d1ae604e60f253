"""Signals that ask a process to stop, told rather than raised: work ends where it can go on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@contextlib.contextmanager
def telling(told: Callable[[str], None]) -> Iterator[None]:
    """Call `told` with a stop signal's name when it comes; afterwards all is as it was before.

    Outside the main thread, which alone receives signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [
        signal.signal(number, lambda number, _: told(signal.Signals(number).name))
        for number in STOP_SIGNALS
    ]
    try:
        yield
    finally:
        for number, handler in zip(STOP_SIGNALS, before, strict=True):
            signal.signal(number, handler)
