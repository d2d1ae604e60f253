"""The errors that a user can cause or mend; each names the place, the value and the remedy.

Scripts tell them apart by exit code, so codes never change meaning.
"""

from __future__ import annotations


class TransPhy3DError(Exception):
    """Base of every error that the command line prints without a traceback."""

    exit_code = 1


class PackageMissing(TransPhy3DError):
    """A Python package is not installed that only some users need; the message names it."""

    exit_code = 1


class JobError(TransPhy3DError):
    """A job file or override is wrong: file, key, value and remedy are in the message."""

    exit_code = 2


class AssetError(TransPhy3DError):
    """A mesh, material or environment file is missing, corrupt or unusable."""

    exit_code = 3


class ModelError(TransPhy3DError):
    """The vision-language model, or a package that runs it, is missing or does not fit."""


class SourceError(AssetError):
    """A source of assets, on a network or a disk, did not give what was asked for.

    `status` is HTTP's, 0 where there was no answer; `passing` says whether the same request may
    succeed later, or once the user has done what the message says.
    """

    def __init__(self, message: str, status: int = 0, passing: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.passing = passing


class SourceClosed(SourceError):
    """Nothing more can be had from a source in this run: a bad key, or a used-up plan."""


class SceneRejected(TransPhy3DError):
    """A sampled scene failed a check; the caller samples again.

    `reason` is a short stable word for statistics ("penetration", "escaped", "camera_blocked"),
    `detail` a sentence with the figures.
    """

    exit_code = 4

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ImpossibleScene(TransPhy3DError):
    """No acceptable scene was found within the attempts that the job allows."""

    exit_code = 4


class RenderError(TransPhy3DError):
    """Blender failed, crashed or produced frames that cannot be used."""

    exit_code = 5


class DeviceError(RenderError):
    """The device or denoiser that the job demands is not there."""

    exit_code = 6


class ShardError(TransPhy3DError):
    """A sequence file, shard or index is missing, damaged or of an unknown version."""

    exit_code = 7


class RunError(TransPhy3DError):
    """The run directory is unusable, belongs to another job, or units were set aside."""

    exit_code = 8


class DiskFull(TransPhy3DError):
    """No space is left where frames or sequences are written; what is finished is kept."""

    exit_code = 9


class Interrupted(TransPhy3DError):
    """Stopped from outside; the same command goes on where it stopped (EX_TEMPFAIL)."""

    exit_code = 75
