"""Importing many assets of a bank, each in a process of its own with limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace

from transphy3d.assets.bank import AssetRecord, Bank, Imported
from transphy3d.assets.gather import Tally, work_through
from transphy3d.assets.imported import IMPORT_VERSION
from transphy3d.assets.importing import judged_class
from transphy3d.errors import AssetError, DiskFull
from transphy3d.jsonio import from_json
from transphy3d.progress import Progress

MAX_SECONDS = 900


def pending(bank: Bank, ids: Sequence[str], everything: bool, again: bool) -> list[AssetRecord]:
    """Fetched assets that are not imported yet as they are judged now.

    ids : only these; everything : not only accepted ones; again : also done and refused ones
    Raises AssetError, with the nearest id, for an id that the bank lacks.
    """
    wanted = [r for r in bank.chosen(ids) if r.file and (ids or everything or r.accepted)]
    return wanted if again else [r for r in wanted if not r.refused and not is_current(bank, r)]


def is_current(bank: Bank, record: AssetRecord) -> bool:
    """Whether an asset was imported from this file, by this version, for this verdict."""
    done = record.imported
    if done is None or record.file is None:
        return False
    same = done.source_sha256 == record.file.sha256 and done.judged == (judged_class(record) or "")
    return same and done.version == IMPORT_VERSION and bank.file(done.file).is_file()


def import_bank(
    bank: Bank,
    assets: Sequence[AssetRecord],
    workers: int,
    progress: Progress,
    seconds: float = MAX_SECONDS,
) -> Tally:
    """Import assets; what cannot be used is refused with the reason in its record.

    workers : assets at a time; seconds : that one may take
    """

    def step(asset: AssetRecord) -> AssetRecord:
        return replace(asset, imported=import_apart(bank, asset.id, seconds), refused="")

    return work_through(bank, assets, step, progress, "imported", workers)


def import_apart(bank: Bank, asset: str, seconds: float = MAX_SECONDS) -> Imported:
    """Import one asset in a process of its own.

    Raises AssetError with the reason if it fails, DiskFull where no space is left.
    """
    command = [sys.executable, "-m", "transphy3d.assets.importing", str(bank.root), asset]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, words = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise AssetError(
            f"asset {asset}: importing took more than {seconds:.0f} s; simplify its mesh"
        ) from None
    finally:
        _stop(process)
    if process.returncode == DiskFull.exit_code:
        raise DiskFull(
            f"asset {asset}: no space is left for it in the bank {bank.root} or in "
            f"{tempfile.gettempdir()}; what is finished is kept: free space, run again"
        )
    if process.returncode != 0:
        raise AssetError(f"asset {asset}: {_reason(process.returncode, words)}")
    return from_json(Imported, out.strip().splitlines()[-1])


def _stop(process: subprocess.Popen[str]) -> None:
    """End what is left of a process and of those that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _reason(code: int, words: str) -> str:
    if code < 0:
        return f"importing it ended by {signal.Signals(-code).name}; its mesh is left alone"
    lines = words.strip().splitlines()
    return lines[-1] if lines else f"importing it failed with exit code {code}"
