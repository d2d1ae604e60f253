"""A finished run's data, copied to an address: what belongs to it, in which order, once.

The index comes last, and is withdrawn before anything else changes: where there is an index, all
that it names is there and whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from transphy3d.errors import RunError, ShardError
from transphy3d.farm import store as stores
from transphy3d.farm.render import VERIFIED_FILE
from transphy3d.farm.rundir import RunDir
from transphy3d.farm.status import read_status
from transphy3d.farm.store import Store
from transphy3d.files import sha256_file, sha256_text, write_json
from transphy3d.jsonio import from_data, from_json, record, to_data
from transphy3d.progress import Progress
from transphy3d.shards.index import INDEX_NAME, SUMS_NAME, Index, read_index

INDEX = f"shards/{INDEX_NAME}"


@dataclass(frozen=True)
class Item:
    """A file to publish. name : below the address, with slashes; sha256 : hex."""

    name: str
    source: Path
    bytes: int
    sha256: str


@record
class Receipt:
    """What a file was when it was compared. mark : as of `store.Found`."""

    bytes: int
    sha256: str
    mark: str


@dataclass(frozen=True)
class Published:
    """What a call has done: files and bytes sent, and files that were there already."""

    url: str
    sent: int
    bytes: int
    present: int

    def describe(self) -> str:
        """One line for a terminal."""
        size = f"{self.bytes / 1e6:.1f} MB"
        return f"{self.url}: {self.sent} files sent ({size}), {self.present} were there"


def publish_run(root: Path, url: str, progress: Progress, *, read_back: bool = True) -> Published:
    """Bring shards, sums, previews and index of a finished, verified run to `url`.

    What is there with the same size and checksum is left alone, so an interrupted call is gone on
    with by the same call. `read_back` as of `store.upload`.
    Raises RunError, ShardError, JobError, PackageMissing or DiskFull.
    """
    items = contents(root)
    store = stores.open_store(url)
    stores.check_writable(store)
    before = _index_there(store, read_index(RunDir(root).shards))
    ledger = RunDir(root).receipts / f"{sha256_text(url)[:16]}.json"
    receipts = _read_receipts(ledger)
    absent = [item for item in items if not _is_there(store, item, receipts)]
    if absent:
        stores.remove(store, INDEX)
        absent = [*(item for item in absent if item.name != INDEX), items[-1]]
    for item in absent:
        progress.event("sending", file=item.name, bytes=item.bytes)
        receipts[item.name] = _send(store, item, read_back)
        write_json(ledger, {name: to_data(receipt) for name, receipt in receipts.items()})
    for name in sorted(before - {item.name for item in items}):
        stores.remove(store, name)
    return Published(url, len(absent), sum(i.bytes for i in absent), len(items) - len(absent))


def contents(root: Path) -> list[Item]:
    """The files of a run that are published, the index last.

    Raises RunError unless the run is finished, packed and verified.
    """
    run, index = RunDir(root), _finished_index(root)
    shards = [_item(root, run.shards / name, digest) for name, digest in index.shards.items()]
    pictures = [_item(root, path) for path in sorted(run.preview.rglob("*")) if path.is_file()]
    last = [_item(root, run.shards / name) for name in (SUMS_NAME, INDEX_NAME)]
    return [*shards, *pictures, *last]


def _finished_index(root: Path) -> Index:
    """The index of a run that nothing is left to do for."""
    run, status = RunDir(root), read_status(root)
    if status.waiting or status.running:
        left = status.waiting + len(status.running)
        raise RunError(f"{root}: {left} sequences are not finished; publish when the run is over")
    index = read_index(run.shards)
    mark = root / VERIFIED_FILE
    if not mark.exists() or mark.read_text().strip() != sha256_file(run.shards / INDEX_NAME):
        raise RunError(f"{root}: its shards are not verified; run its `render` command again")
    if len(index.sequences) != status.published:
        raise RunError(
            f"{run.shards}: holds {len(index.sequences)} of {status.published} sequences; run the "
            "run's `render` command again"
        )
    return index


def _item(root: Path, path: Path, sha256: str | None = None) -> Item:
    name = path.relative_to(root).as_posix()
    return Item(name, path, path.stat().st_size, sha256 or sha256_file(path))


def _index_there(store: Store, ours: Index) -> set[str]:
    """Names of the shards that the index at the address names, none where there is no index.

    Raises RunError when it is that of another data set.
    """
    if not stores.find(store, INDEX):
        return set()
    try:
        index = from_json(Index, stores.read(store, INDEX))
    except ValidationError:
        raise RunError(
            f"{store.url}: holds an {INDEX} of another format; publish under another address"
        ) from None
    if index.name != ours.name:
        raise RunError(
            f"{store.url}: holds the data set {index.name!r}, this one is {ours.name!r}; publish "
            "under another address"
        )
    return {f"shards/{Path(name).name}" for name in index.shards}


def _read_receipts(path: Path) -> dict[str, Receipt]:
    """What earlier calls have compared; nothing where that is unreadable, which costs but time."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {name: from_data(Receipt, value) for name, value in data.items()}
    except (OSError, ValueError):
        return {}


def _is_there(store: Store, item: Item, receipts: dict[str, Receipt]) -> bool:
    """Whether a file is there, as its receipt and unchanged mark say, or else its content."""
    found = stores.find(store, item.name)
    if found is None or found.bytes != item.bytes:
        return False
    receipt = Receipt(bytes=item.bytes, sha256=item.sha256, mark=found.mark)
    return receipts.get(item.name) == receipt or stores.digest(store, item.name) == item.sha256


def _send(store: Store, item: Item, read_back: bool) -> Receipt:
    if sha256_file(item.source) != item.sha256:
        raise ShardError(f"{item.source}: is not what its index says; run `render` again to repack")
    found = stores.upload(store, item.source, item.name, item.sha256, read_back=read_back)
    return Receipt(bytes=item.bytes, sha256=item.sha256, mark=found.mark)
