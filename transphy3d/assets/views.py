"""Pictures of assets, rendered in a Blender process within limits, for the judge and for people."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank, StoredFile
from transphy3d.assets.view_spec import DIRECTIONS, EDGE, ViewItem, ViewOutcome, ViewRequest
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file, write_bytes, write_text
from transphy3d.jsonio import from_json, to_json
from transphy3d.scenes.hdr import read_hdr
from transphy3d.scenes.lights import builtin_folder, load_environment, resolved
from transphy3d.scenes.spec import Environment

SAMPLES = 12
PER_PROCESS = 20  # assets; Blender's memory grows from one to the next
TIMEOUT = 180.0  # wall seconds for one asset
CPU_SECONDS = 600  # for one asset, all threads together
MEMORY = 16 << 30  # bytes of address space
POLL_SECONDS = 0.2
SKY = "studio.exr"
SKY_STRENGTH = 1.1  # luminance of a white level sheet
SKY_ROTATION = 0.6  # radians


def render_all(bank: Bank, assets: Sequence[AssetRecord]) -> Iterator[AssetRecord | AssetError]:
    """Every asset's record with its views, or why there are none, in the order given.

    Many assets share a process; one that crashes or hangs it costs no other its pictures.
    """
    sky = _sky()
    for start in range(0, len(assets), PER_PROCESS):
        yield from _render_some(bank, assets[start : start + PER_PROCESS], sky)


def _render_some(
    bank: Bank, assets: Sequence[AssetRecord], sky: Environment
) -> Iterator[AssetRecord | AssetError]:
    with tempfile.TemporaryDirectory(prefix="transphy3d-views-") as scratch:
        items = [_item(bank, asset, Path(scratch) / asset.id) for asset in assets]
        good = [item for item in items if isinstance(item, ViewItem)]
        outcomes = iter(_outcomes(good, sky, Path(scratch)))
        for asset, item in zip(assets, items, strict=True):
            yield item if isinstance(item, AssetError) else _kept(bank, asset, item, next(outcomes))


def _item(bank: Bank, asset: AssetRecord, folder: Path) -> ViewItem | AssetError:
    try:
        path = model_path(bank, asset)
    except AssetError as error:
        return error
    folder.mkdir()
    turn = asset.declared.get("modelRotation")
    rows = None if turn is None else (tuple(turn[:3]), tuple(turn[3:6]), tuple(turn[6:]))
    return ViewItem(path=str(path), folder=str(folder), turn=rows)


def _kept(bank: Bank, asset: AssetRecord, item: ViewItem, error: str) -> AssetRecord | AssetError:
    """The record with the pictures of an item moved into the bank."""
    pictures = [Path(item.folder) / f"{number}.png" for number in range(len(DIRECTIONS))]
    if error or not all(path.is_file() for path in pictures):
        return AssetError(f"asset {asset.id}: cannot be shown ({error or 'no pictures came'})")
    return replace(asset, views=tuple(_store(bank, asset.id, path) for path in pictures))


def _store(bank: Bank, asset: str, picture: Path) -> StoredFile:
    path = bank.views(asset) / picture.name
    write_bytes(path, picture.read_bytes())
    return StoredFile(
        path=path.relative_to(bank.root).as_posix(),
        bytes=path.stat().st_size,
        sha256=sha256_file(path),
    )


def _outcomes(items: Sequence[ViewItem], sky: Environment, scratch: Path) -> Iterator[str]:
    """An error, or "" for success, for every item; a new process goes on after a crash."""
    done = 0
    while done < len(items):
        for error in _run(items[done:], sky, scratch):
            yield error
            done += 1


def _run(items: Sequence[ViewItem], sky: Environment, scratch: Path) -> Iterator[str]:
    """The outcomes of one process as they come; the last is its end, if that came too early."""
    log, request = scratch / "log.jsonl", scratch / "request.json"
    log.unlink(missing_ok=True)
    write_text(request, to_json(_request(items, sky, log)))
    with (scratch / "blender.txt").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "transphy3d.blender.views", str(request)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield from _watch(process, log, len(items))
        finally:
            process.kill()
            process.wait()


def _request(items: Sequence[ViewItem], sky: Environment, log: Path) -> ViewRequest:
    return ViewRequest(
        items=tuple(items),
        environment=sky,
        edge=EDGE,
        samples=SAMPLES,
        log=str(log),
        memory=MEMORY,
        seconds=CPU_SECONDS * len(items),
    )


def _watch(process: subprocess.Popen[bytes], log: Path, items: int) -> Iterator[str]:
    """What the log says of each item, until the process ends or one item takes too long."""
    told, since = 0, time.monotonic()
    while told < items:
        ended = process.poll() is not None
        for error in _read(log)[told:]:
            yield error
            told, since = told + 1, time.monotonic()
        if told < items and ended:
            yield f"Blender crashed or broke a limit, exit code {process.returncode}"
            return
        if time.monotonic() - since > TIMEOUT:
            yield f"Blender took more than {TIMEOUT:.0f} s to render it"
            return
        time.sleep(POLL_SECONDS)


def _read(log: Path) -> list[str]:
    """The errors of the items that have ended; a line counts once it is whole."""
    if not log.exists():
        return []
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    return [from_json(ViewOutcome, line).error for line in lines if line.endswith("\n")]


def _sky() -> Environment:
    """The sky of all views, with the path of a file on this machine."""
    path = builtin_folder() / SKY
    return resolved(load_environment(path, read_hdr(path), SKY_ROTATION, SKY_STRENGTH, 0.0))
