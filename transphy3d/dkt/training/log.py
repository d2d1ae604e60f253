"""What a training run tells: JSON lines, TensorBoard where it is installed, W&B where asked for."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from transphy3d.dkt.config import TrainingJob
from transphy3d.errors import PackageMissing
from transphy3d.files import sha256_text

LOG_NAME = "log.jsonl"


class TrainingLog:
    """Appends one line a call to `log.jsonl`; a resumed run cuts off what it will do again."""

    def __init__(self, root: Path, start: int, *, board: Any = None, wandb: Any = None) -> None:
        """board : a SummaryWriter of TensorBoard; wandb : a run of Weights & Biases."""
        self._path = root / LOG_NAME
        self._board, self._wandb = board, wandb
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
        if self._wandb:
            self._wandb.log(figures, step=step)

    def close(self) -> None:
        """Nothing more will be told."""
        if self._board:
            self._board.close()
        if self._wandb:
            self._wandb.finish()


def read_log(root: Path) -> list[dict[str, Any]]:
    """The lines of a run, oldest first; a line cut short by a crash is left out."""
    path = root / LOG_NAME
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def open_log(job: TrainingJob, root: Path, start: int) -> TrainingLog:
    """The log of a run that has made `start` steps.

    Raises PackageMissing if the job asks for Weights & Biases and it is not installed.
    """
    board = None
    with suppress(ModuleNotFoundError):
        from torch.utils.tensorboard import SummaryWriter

        board = SummaryWriter(str(root / "tensorboard"), purge_step=start)
    return TrainingLog(root, start, board=board, wandb=_wandb_run(job, root))


def _wandb_run(job: TrainingJob, root: Path) -> Any:
    """The run of Weights & Biases, the same one when training goes on; None if none is asked for.

    Without a network, WANDB_MODE=offline keeps it in the run's folder for `wandb sync`.
    """
    if job.run.wandb is None:
        return None
    try:
        import wandb
    except ModuleNotFoundError:
        raise PackageMissing(
            "run.wandb: the package is not installed; pip install 'transphy3d[wandb]', or set null"
        ) from None
    return wandb.init(
        project=job.run.wandb,
        name=job.name,
        id=sha256_text(str(root.resolve()))[:16],
        resume="allow",
        dir=root,
        config=job.model_dump(mode="json"),
    )
