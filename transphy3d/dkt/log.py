"""What a training run tells: JSON lines, and TensorBoard where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOG_NAME = "log.jsonl"


class TrainingLog:
    """Appends one line a call to `log.jsonl`; a resumed run cuts off what it will do again."""

    def __init__(self, root: Path, start: int, *, tensorboard: bool) -> None:
        self._path = root / LOG_NAME
        self._board = _summary_writer(root, start) if tensorboard else None
        root.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_log(root) if line["step"] <= start]
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def write(self, step: int, **figures: float) -> None:
        """Record figures of a step."""
        with self._path.open("a") as stream:
            stream.write(json.dumps({"step": step} | figures) + "\n")
        if self._board:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Nothing more will be told."""
        if self._board:
            self._board.close()


def read_log(root: Path) -> list[dict[str, Any]]:
    """The lines of a run, oldest first; a line cut short by a crash is left out."""
    path = root / LOG_NAME
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _summary_writer(root: Path, start: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(root / "tensorboard"), purge_step=start)
