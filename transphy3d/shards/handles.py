"""Open HDF5 files, few at a time, for one process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import h5py

from transphy3d.errors import ShardError
from transphy3d.shards.index import check_version

T = TypeVar("T")


class Handles:
    """Read access to files; at most `limit` stay open, the least recently used closes first.

    It may be pickled, forked and shared between threads: every process opens its own files when
    it first needs them, and one lock guards them, because HDF5 has a global lock anyway.
    """

    def __init__(self, limit: int = 16) -> None:
        self.limit = limit
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, h5py.File] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.limit = state["limit"]
        self._forget()

    def read(self, path: Path, action: Callable[[h5py.File], T]) -> T:
        """What `action` makes of the open file. Raises ShardError if it cannot be opened."""
        if self._process != os.getpid():
            self._forget()
        with self._lock:
            return action(self._file(path))

    def close(self) -> None:
        """Close every file; the next read opens again."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _file(self, path: Path) -> h5py.File:
        if path not in self._open:
            self._open[path] = open_file(path)
            if len(self._open) > self.limit:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(path)
        return self._open[path]


def open_file(path: Path) -> h5py.File:
    """The file, open for reading without a lock.

    Raises ShardError if it is missing, broken or of another format or version.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise ShardError(f"{path}: no such file") from None
    except OSError as error:
        raise ShardError(f"{path}: not a readable HDF5 file ({error}); make it again") from error
    try:
        check_version(path, file.attrs.get("format"), file.attrs.get("version"))
    except ShardError:
        file.close()
        raise
    return file
