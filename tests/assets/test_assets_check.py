"""Checking a bank finds every fault that is put into it, and none in a whole one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run_cli

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank, Imported, Licence, Override
from transphy3d.assets.check import check_bank
from transphy3d.assets.store import keep, keep_thumbnail, receiving

NAME = "local-cup"


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """One asset whose archive is unpacked, with a thumbnail."""
    bank = Bank(tmp_path / "bank")
    with receiving(bank, "cup.zip") as scratch:
        with zipfile.ZipFile(scratch, "w") as archive:
            archive.writestr("cup.obj", "v 0 0 0")
        file = keep(bank, scratch, ".zip", "cup.obj")
    licence = Licence(
        name="cc_by",
        author="Ada",
        attribution="cup by Ada",
        url="https://creativecommons.org/licenses/by/4.0/",
    )
    asset = AssetRecord(
        id=NAME,
        source="local",
        source_id="cup",
        name="cup",
        licence=licence,
        file=file,
        thumbnail=keep_thumbnail(bank, NAME, b"\x89PNG", ".png"),
    )
    bank.write(asset)
    model_path(bank, asset)
    return bank


def file_of(bank: Bank) -> Path:
    return next(bank.downloads.glob("*.zip"))


def relabel(bank: Bank, **changes: object) -> None:
    bank.write(replace(bank.read(NAME), **changes))


def relicense(bank: Bank, **changes: object) -> None:
    relabel(bank, licence=replace(bank.read(NAME).licence, **changes))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)


def import_from_another_file(bank: Bank) -> None:
    made = keep_thumbnail(bank, "npz", b"npz", ".npz")
    imported = Imported(
        file=made, size=(1, 1, 1), parts=(), hulls=1, fit=1, hollow=False, method="coacd",
        notes=(), source_sha256="0", version=1,
    )  # fmt: skip
    relabel(bank, imported=imported)


def test_a_whole_bank_has_no_faults(bank: Bank) -> None:
    assert check_bank(bank) == []


def judge_otherwise(bank: Bank) -> None:
    """A person's word for another class than the one that the parts were made for."""
    import_from_another_file(bank)
    done = bank.read(NAME).imported
    assert done
    said = Override(ruling="accepted", optical="reflective")
    relabel(bank, imported=replace(done, judged="transparent"), override=said)


def add_again(bank: Bank) -> None:
    """The same file under another id, both accepted."""
    relabel(bank, override=Override(ruling="accepted", optical="transparent"))
    bank.write(replace(bank.read(NAME), id="local-cup-2", thumbnail=None))


FAULTS: dict[str, tuple[Callable[[Bank], object], str, str]] = {
    "missing": (lambda bank: file_of(bank).unlink(), NAME, "is missing"),
    "longer": (lambda bank: file_of(bank).write_bytes(b"PK"), NAME, "has 2 bytes, not"),
    "changed": (lambda bank: flip(file_of(bank)), NAME, "another content than its SHA-256"),
    "member": (
        lambda bank: relabel(bank, file=replace(bank.read(NAME).file, member="lid.obj")),
        NAME,
        "holds no lid.obj",
    ),
    "thumbnail": (lambda bank: next(bank.thumbnails.iterdir()).unlink(), NAME, "is missing"),
    "outside": (
        lambda bank: relabel(bank, file=replace(bank.read(NAME).file, path="../x")),
        NAME,
        "out of the bank",
    ),
    "record": (lambda bank: bank.record_file(NAME).write_text("{"), NAME, "is damaged"),
    "renamed": (
        lambda bank: bank.record_file(NAME).rename(bank.catalogue / "local-mug.json"),
        NAME,
        "under another name",
    ),
    "no author": (lambda bank: relicense(bank, author=""), NAME, "nobody is named"),
    "no line": (lambda bank: relicense(bank, attribution=""), NAME, "nobody is named"),
    "no page": (lambda bank: relicense(bank, url=""), NAME, "names no page"),
    "no licence": (lambda bank: relicense(bank, name="unknown"), NAME, "no known licence"),
    "imported": (import_from_another_file, NAME, "was imported from another file"),
    "another class": (judge_otherwise, NAME, "is reflective, but was imported as something else"),
    "twice": (add_again, "local-cup-2", f"has the same file as {NAME}; reject one"),
    "stray": (
        lambda bank: (bank.downloads / "stray.blend").write_bytes(b"x"),
        "downloads/stray.blend",
        "belongs to no asset",
    ),
    "scratch": (
        lambda bank: (bank.root / ".tmp1").mkdir(),
        ".tmp1",
        "belongs to no asset",
    ),
    "views": (
        lambda bank: bank.views("local-gone").mkdir(parents=True),
        "views/local-gone",
        "belongs to no asset",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_and_named(bank: Bank, name: str) -> None:
    spoil, place, what = FAULTS[name]
    spoil(bank)
    assert any(fault.place == place and what in fault.what for fault in check_bank(bank))


def test_two_models_of_one_archive_are_two_files(bank: Bank) -> None:
    relabel(bank, override=Override(ruling="accepted", optical="transparent"))
    with receiving(bank, "set.zip") as scratch:
        with zipfile.ZipFile(scratch, "w") as archive:
            archive.writestr("cup.obj", "v 0 0 0")
            archive.writestr("lid.obj", "v 0 0 0")
        cup = keep(bank, scratch, ".zip", "cup.obj")
    cups = replace(bank.read(NAME), thumbnail=None)
    bank.write(replace(cups, id="local-one", file=cup))
    bank.write(replace(cups, id="local-two", file=replace(cup, member="lid.obj")))
    assert check_bank(bank) == []


@pytest.mark.parametrize("spoil", [judge_otherwise, add_again])
def test_what_no_scene_can_draw_needs_no_class_and_no_file_of_its_own(
    bank: Bank, spoil: Callable[[Bank], None]
) -> None:
    spoil(bank)
    before = len(check_bank(bank))
    for asset in list(bank.records())[-1:]:
        bank.write(replace(asset, override=Override(ruling="rejected", optical="opaque")))
    assert len(check_bank(bank)) == before - 1


def test_without_hashes_a_changed_content_passes(bank: Bank) -> None:
    flip(file_of(bank))
    assert check_bank(bank, hashes=False) == []


def test_an_unfinished_download_is_no_fault(bank: Bank) -> None:
    bank.partial.mkdir()
    (bank.partial / "model.part").write_bytes(b"half")
    assert check_bank(bank) == []


def test_the_command_prints_faults_and_ends_with_seven(bank: Bank) -> None:
    file_of(bank).unlink()
    said = run_cli("assets", "check", "--bank", bank.root, "--json")
    assert said.returncode == 7
    (fault,) = map(json.loads, said.stdout.splitlines())
    assert fault["place"] == NAME
    assert "1 faults found" in said.stderr


def test_a_bank_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    said = run_cli("assets", "check", "--bank", tmp_path / "none")
    assert said.returncode == 3
    assert "no such folder" in said.stderr
