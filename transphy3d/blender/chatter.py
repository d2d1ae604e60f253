"""What Blender prints: read at file-descriptor level, because its C code knows no exceptions.

Cycles reports a full memory, a lost device or a failed denoiser as a printed line and then goes
on with black or noisy pixels; such lines are turned into errors here.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from transphy3d.errors import RenderError

# Blender's reports begin with "Error:"; the rest are Cycles' and its libraries' own wordings.
FAILURE = re.compile(
    r"^\s*error\b|\bout of (?:gpu )?memory\b|\b(?:oidn|optix|cuda|hip|oneapi|metal) error\b"
    r"|\bdenois\w* (?:failed|error)|\bfailed to (?:load|read|open|create|allocate|build|compile)\b"
    r"|\billegal address\b|\bcannot (?:read|open|load) ",
    re.IGNORECASE,
)


# Blender's progress: forty lines a frame that nobody reads afterwards.
PROGRESS = re.compile(r"^(?:(?:Fra|Saved|Time):.*)?\n", re.MULTILINE)


def failures(text: str) -> list[str]:
    """Lines of Blender's output that say that something failed."""
    return [line.strip() for line in text.splitlines() if FAILURE.search(line)]


class Chatter:
    """Holds back file descriptors 1 and 2; `check` judges and passes on what they took.

    A regular file takes the output, not a pipe: Blender prints while it holds Python's lock, so
    that nobody in this process could empty a pipe. After a crash the file keeps the last words.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        sys.stdout.flush()
        sys.stderr.flush()
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._file = os.open(self._path, flags, 0o644)
        self._saved = (os.dup(1), os.dup(2))
        os.dup2(self._file, 1)
        os.dup2(self._file, 2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.forward()
        for saved, target in zip(self._saved, (1, 2), strict=True):
            os.dup2(saved, target)
            os.close(saved)
        os.close(self._file)
        self._path.unlink()

    @property
    def stderr(self) -> int:
        """The descriptor that standard error had before it was held back."""
        return self._saved[1]

    def check(self) -> None:
        """Pass on what was printed since the last call; RenderError if it tells of a failure."""
        found = failures(self.forward())
        if found:
            raise RenderError(f"Blender reported: {'; '.join(found[:5])}")

    def forward(self) -> str:
        """Pass on what was printed since the last call, without progress; returns all of it."""
        sys.stdout.flush()
        sys.stderr.flush()
        data = self._path.read_bytes()
        os.ftruncate(self._file, 0)
        text = data.decode("utf-8", "replace")
        os.write(self._saved[0], PROGRESS.sub("", text).encode())
        return text
