"""The asset bank: a folder with one record for each asset, and the files that records name.

catalogue/<id>.json     one record an asset; every stage adds its part
downloads/<sha256>.*    files as they came, by content
unpacked/<sha256>/      what archives among them hold; made again when missing
thumbnails/<id>.*       pictures as they came
views/<id>/*.png        pictures made here for judging and for people
partial/                downloads that are not finished
cache/                  convex pieces by content; made again when missing
imported/<id>.npz       cleaned meshes with collision pieces: what scenes take
inspections/<sha256>.json  what the materials of a file look like
answers/                answers of the vision-language model, by file, model and prompt
lock                    held by whoever changes a record
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from transphy3d.errors import AssetError
from transphy3d.files import write_json
from transphy3d.jsonio import from_json, record, to_data
from transphy3d.materials.spec import Kind, OpticalClass
from transphy3d.wording import suggest

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
# royalty_free: pictures may be published, meshes may not.
LicenceName = Literal["cc_zero", "cc_by", "royalty_free", "own", "unknown"]
REDISTRIBUTABLE: frozenset[LicenceName] = frozenset({"cc_zero", "cc_by", "own"})


@record
class Licence:
    """What may be done with an asset and whom to name.

    name : the rule; version : as written by the source, "3.0"
    attribution : the line that must go with what is published, "" where none is asked for
    """

    name: LicenceName
    version: str = ""
    author: str = ""
    attribution: str = ""
    url: str = ""


@record
class StoredFile:
    """A file of the bank: path relative to its root, size and hex SHA-256.

    member : name of the mesh inside, where the file is an archive
    """

    path: str
    bytes: int
    sha256: str
    member: str = ""


@record
class Signal:
    """What one judge says: the graph inspector, the name lexicon or the vision-language model.

    transparent, reflective : scores in [0, 1]
    mass : share of its probability that the judge gave to an answer at all; 1 where it always
        answers
    evidence : figures behind the scores, as `glass_area` or `p_yes.transparent`
    version : of the judge: model, revision and prompt, or rules
    """

    transparent: float
    reflective: float
    reasons: tuple[str, ...]
    version: str
    mass: float = 1.0
    evidence: dict[str, float | str] = field(default_factory=dict)


Ruling = Literal["accepted", "rejected", "review"]


@record
class Verdict:
    """What the signals come to together.

    score : of the class that decided; reasons : one sentence a signal
    """

    ruling: Ruling
    optical: OpticalClass
    score: float
    reasons: tuple[str, ...]


@record
class Override:
    """What a person said; it outranks every verdict."""

    ruling: Literal["accepted", "rejected"]
    optical: OpticalClass
    note: str = ""


@record
class ImportedPart:
    """One piece of an imported asset.

    material : name in the source file; kinds, optical : what scenes may make it of
    closed : whether its surface bounds a solid
    """

    name: str
    material: str
    kinds: tuple[Kind, ...]
    optical: tuple[OpticalClass, ...]
    faces: int
    closed: bool


@record
class Imported:
    """An asset made ready to drop.

    size : real edge lengths in metres, Z up; hulls : number of convex pieces
    fit : volume of the pieces over the volume of the solid; method : how they were made
    notes : what was mended; source_sha256 : of the file that it was made from
    judged : the optical class that its main piece was made for, "" where nobody had judged
    """

    file: StoredFile
    size: tuple[float, float, float]
    parts: tuple[ImportedPart, ...]
    hulls: int
    fit: float
    hollow: bool
    method: str
    notes: tuple[str, ...]
    source_sha256: str
    version: int
    judged: OpticalClass | Literal[""] = ""


@record
class AssetRecord:
    """All that is known of one asset.

    id : "<source>-<id there>", file-name safe
    declared : what the source says of the file, as faceCount or shaders
    size : real edge lengths in metres as the source gives them
    refused : why the asset cannot be used, "" if nothing speaks against it
    """

    id: str
    source: str
    source_id: str
    name: str
    licence: Licence
    url: str = ""
    description: str = ""
    category: str = "unknown"
    tags: tuple[str, ...] = ()
    declared: dict[str, Any] = field(default_factory=dict)
    size: tuple[float, float, float] | None = None
    file: StoredFile | None = None
    thumbnail: StoredFile | None = None
    views: tuple[StoredFile, ...] = ()
    signals: dict[str, Signal] = field(default_factory=dict)
    verdict: Verdict | None = None
    override: Override | None = None
    imported: Imported | None = None
    refused: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the asset belongs to the bank: a person's word, or else the verdict."""
        if self.override:
            return self.override.ruling == "accepted"
        return self.verdict is not None and self.verdict.ruling == "accepted"

    @property
    def optical(self) -> OpticalClass:
        """The class of what it is mostly made of; opaque as long as nobody judged it."""
        judged = self.override or self.verdict
        return judged.optical if judged else "opaque"

    @property
    def imported_as_another(self) -> bool:
        """Whether it is accepted, and its parts were made for another class than it is of now."""
        return self.imported is not None and self.accepted and self.imported.judged != self.optical


@dataclass(frozen=True)
class Bank:
    """Every path of a bank, and its records."""

    root: Path

    @property
    def catalogue(self) -> Path:
        return self.root / "catalogue"

    @property
    def downloads(self) -> Path:
        return self.root / "downloads"

    @property
    def thumbnails(self) -> Path:
        return self.root / "thumbnails"

    @property
    def partial(self) -> Path:
        return self.root / "partial"

    def unpacked(self, sha256: str) -> Path:
        return self.root / "unpacked" / sha256

    @property
    def answers(self) -> Path:
        return self.root / "answers"

    def views(self, asset: str) -> Path:
        return self.root / "views" / check_id(asset)

    def imported(self, asset: str) -> Path:
        return self.root / "imported" / f"{check_id(asset)}.npz"

    def inspection(self, sha256: str) -> Path:
        return self.root / "inspections" / f"{check_id(sha256)}.json"

    def record_file(self, asset: str) -> Path:
        return self.catalogue / f"{check_id(asset)}.json"

    def has(self, asset: str) -> bool:
        return self.record_file(asset).is_file()

    def ids(self) -> list[str]:
        """Ids of all assets, in order."""
        return sorted(path.stem for path in self.catalogue.glob("[!.]*.json"))

    def records(self) -> Iterator[AssetRecord]:
        """All records, in the order of their ids. Raises AssetError for a damaged one."""
        return (self.read(asset) for asset in self.ids())

    def chosen(self, ids: Sequence[str]) -> list[AssetRecord]:
        """The records of these ids, each once, or all. Raises AssetError for an unknown one."""
        return [self.read(asset) for asset in dict.fromkeys(ids or self.ids())]

    def read(self, asset: str) -> AssetRecord:
        """One record. Raises AssetError, with the nearest id, if there is none."""
        path = self.record_file(asset)
        try:
            return from_json(AssetRecord, path.read_bytes())
        except FileNotFoundError:
            raise AssetError(f"bank {self.root}: no asset {asset!r}; {self._hint(asset)}") from None
        except ValidationError as error:
            raise AssetError(
                f"{path}: is damaged or of another version ({error.error_count()} faults); "
                "remove it and fetch the asset again"
            ) from None

    def write(self, asset: AssetRecord) -> None:
        """Write or replace one record, atomically."""
        write_json(self.record_file(asset.id), to_data(asset))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While the block lasts, no other thread or process that locks changes a record.

        Who reads a record to write it back does so in one block, so that nothing written in
        between is lost. Blocks are short and never nested.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def file(self, stored: StoredFile) -> Path:
        """Where a stored file lies. Raises AssetError for a path that leaves the bank."""
        path = (self.root / stored.path).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise AssetError(f"bank {self.root}: {stored.path!r} leads out of the bank")
        return path

    def _hint(self, asset: str) -> str:
        if not (known := self.ids()):
            return "the bank is empty"
        return suggest(asset, known, "`transphy3d assets list` shows what is there")


def check_id(asset: str) -> str:
    """The id itself. Raises AssetError unless it is safe as a file's name."""
    if not ID_PATTERN.fullmatch(asset):
        raise AssetError(
            f"asset {asset!r}: ids are of a-z, 0-9, dot, dash and underscore, at most 128"
        )
    return asset
