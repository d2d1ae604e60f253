"""A bank keeps records, takes a user's own files, and tells what it holds."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from command_line import run_cli

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import (
    AssetRecord,
    Bank,
    Licence,
    Override,
    Signal,
    StoredFile,
    Verdict,
    check_id,
)
from transphy3d.assets.gather import work_through
from transphy3d.assets.ids import safe_id
from transphy3d.assets.listing import Filter, describe, judgement_of, state_of, table
from transphy3d.assets.sources.local import add, licence_of, mesh_files
from transphy3d.assets.store import with_file
from transphy3d.errors import AssetError, SourceClosed, SourceError
from transphy3d.progress import make_progress

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


def asset(name: str = "cup", **changes: object) -> AssetRecord:
    licence = Licence(name="cc_zero", url="https://creativecommons.org/publicdomain/zero/1.0/")
    plain = AssetRecord(
        id=f"local-{name}", source="local", source_id=name, name=name, licence=licence
    )
    return replace(plain, **changes)


def stored(content: str = "0") -> StoredFile:
    return StoredFile(path="downloads/x.glb", bytes=1, sha256=content * 64)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "bank")


# Records


def test_a_record_comes_back_as_it_was_written(bank: Bank) -> None:
    signal = Signal(transparent=0.9, reflective=0.1, reasons=("glass",), version="1")
    written = asset(signals={"graph": signal}, size=(0.1, 0.2, 0.3), declared={"a": [1, None]})
    bank.write(written)
    assert bank.read(written.id) == written
    assert bank.ids() == [written.id]


def test_an_unknown_asset_is_answered_by_the_nearest(bank: Bank) -> None:
    bank.write(asset("wineglass"))
    with pytest.raises(AssetError, match="did you mean 'local-wineglass'"):
        bank.read("local-wineglas")


def test_a_damaged_record_is_named_with_the_remedy(bank: Bank) -> None:
    bank.write(asset())
    bank.record_file("local-cup").write_text('{"id": 5}')
    with pytest.raises(AssetError, match=r"local-cup.json: is damaged.*fetch the asset again"):
        list(bank.records())


@pytest.mark.parametrize("name", ["../cup", "a/b", "", "Cup", ".hidden", "x" * 200])
def test_an_id_that_is_no_plain_name_is_refused(bank: Bank, name: str) -> None:
    with pytest.raises(AssetError):
        bank.record_file(name)


def test_a_file_outside_the_bank_is_refused(bank: Bank) -> None:
    with pytest.raises(AssetError, match="out of the bank"):
        bank.file(StoredFile(path="../../etc/passwd", bytes=1, sha256="0"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Blend Swap CC-BY#cocktailGlass", "s-blend-swap-cc-by-cocktailglass"),
        ("Café / crème", "s-cafe-creme"),
        ("../../etc", "s-etc"),
    ],
)
def test_names_become_readable_ids(name: str, expected: str) -> None:
    assert safe_id("s", name) == expected


@pytest.mark.parametrize(
    "names", [("酒杯", "花瓶"), ("🍷", ""), ("a" * 200, "a" * 201), ("é杯", "e")]
)
def test_names_that_lose_letters_stay_apart(names: tuple[str, str]) -> None:
    first, second = (check_id(safe_id("s", name)) for name in names)
    assert first != second


def test_another_file_forgets_what_was_made_of_the_one_before() -> None:
    verdict = Verdict(ruling="accepted", optical="transparent", score=1.0, reasons=())
    said = Override(ruling="accepted", optical="transparent")
    judged = asset(file=stored("1"), verdict=verdict, override=said, refused="once")
    assert with_file(judged, stored("1")).verdict == verdict
    changed = with_file(judged, stored("2"))
    assert (changed.verdict, changed.override, changed.refused) == (None, said, "")


def test_ids_that_are_named_twice_count_once(bank: Bank) -> None:
    for name in ("a", "b", "c"):
        bank.write(asset(name))
    named = bank.chosen(["local-c", "local-a", "local-c"])
    assert [one.name for one in named] == ["c", "a"]
    assert [one.name for one in bank.chosen(())] == ["a", "b", "c"]


@pytest.mark.parametrize("words", [("list",), ("fetch",), ("review",), ("judge",)])
def test_a_file_in_place_of_the_bank_is_an_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "bank").write_text("no folder")
    said = run_cli("assets", *words, "--bank", tmp_path / "bank")
    assert said.returncode == 3
    assert "is a file; name a folder with --bank" in said.stderr


# Working through


def test_one_bad_asset_stops_no_other_and_keeps_its_reason(bank: Bank) -> None:
    def step(one: AssetRecord) -> AssetRecord:
        if one.name == "bad":
            raise AssetError("is bad")
        if one.name == "later":
            raise SourceError("busy", 503, passing=True)
        return with_file(one, stored())

    assets = [asset("bad"), asset("later"), asset("good")]
    for one in assets:
        bank.write(one)
    tally = work_through(bank, assets, step, make_progress("plain"))
    assert tally.outcomes == {"refused": 1, "failed": 1, "fetched": 1}
    assert "1 x is bad" in tally.table()
    states = {one.name: (state_of(one), one.refused) for one in bank.records()}
    assert states == {"bad": ("refused", "is bad"), "later": ("found", ""), "good": ("fetched", "")}


def test_what_others_write_during_a_step_stays(bank: Bank) -> None:
    said = Override(ruling="rejected", optical="opaque", note="a drawing")
    seen = Signal(transparent=0.9, reflective=0.1, reasons=("glass",), version="1")

    def step(one: AssetRecord) -> AssetRecord:
        bank.write(replace(one, override=said, signals={"vlm": seen}))
        return replace(with_file(one, stored()), signals={"graph": seen})

    bank.write(asset())
    work_through(bank, list(bank.records()), step, make_progress("plain"))
    (after,) = bank.records()
    assert (after.override, after.file) == (said, stored())
    assert after.signals == {"graph": seen, "vlm": seen}


def test_another_file_drops_signals_that_others_wrote_meanwhile(bank: Bank) -> None:
    seen = Signal(transparent=0.9, reflective=0.1, reasons=("glass",), version="1")
    bank.write(asset(file=stored("1"), signals={"graph": seen}))
    step = partial(with_file, stored=stored("2"))
    work_through(bank, list(bank.records()), step, make_progress("plain"))
    assert bank.read("local-cup").signals == {}


def test_a_closed_source_ends_the_work(bank: Bank) -> None:
    def step(one: AssetRecord) -> AssetRecord:
        raise SourceClosed("no more")

    tally = work_through(bank, [asset("a"), asset("b")], step, make_progress("plain"))
    assert tally.stopped == "no more"
    assert bank.ids() == []


# A user's own files


def test_own_files_and_folders_become_assets_with_their_textures(
    bank: Bank, tmp_path: Path
) -> None:
    folder = tmp_path / "my meshes"
    (folder / "tex").mkdir(parents=True)
    (folder / "Grüne Flasche.obj").write_text(f"mtllib bottle.mtl\n{TRIANGLE}")
    (folder / "bottle.mtl").write_text("newmtl glass\nmap_Kd -s 1 1 1 tex/label.png\n")
    (folder / "tex" / "label.png").write_bytes(b"png")
    (folder / "tex" / "unused.png").write_bytes(b"png")
    (folder / "jar.ply").write_text("ply")
    place = ("--bank", bank.root, "--licence", "cc_by", "--author", "Ada")
    for expected in (["fetched", "2"], ["known", "2"]):
        said = run_cli("assets", "fetch", "--source", "local", folder, *place)
        assert said.stdout.split() == expected, said.stderr
    bottle, jar = sorted(bank.records(), key=lambda one: one.name)
    assert bottle.id.startswith("local-grune-flasche-")
    assert bottle.licence.attribution.startswith('"Grüne Flasche" by Ada, CC BY 4.0')
    mesh = model_path(bank, bottle)
    beside = {str(path.relative_to(mesh.parent)) for path in mesh.parent.rglob("*.*")}
    assert beside == {"Grüne Flasche.obj", "bottle.mtl", "tex/label.png"}
    assert model_path(bank, jar).read_text() == "ply"
    assert run_cli("assets", "check", "--bank", bank.root).returncode == 0


def test_a_gltf_brings_its_buffers_and_no_file_from_elsewhere(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(b"secret")
    folder = tmp_path / "model"
    folder.mkdir()
    names = ["my%20mesh.bin", "data:,x", "../secret.bin", "missing.png"]
    (folder / "cup.gltf").write_text(json.dumps({"buffers": [{"uri": name} for name in names]}))
    (folder / "my mesh.bin").write_bytes(b"mesh")
    run_cli("assets", "fetch", "--source", "local", folder / "cup.gltf", "--bank", bank.root)
    (one,) = bank.records()
    mesh = model_path(bank, one)
    assert {path.name for path in mesh.parent.iterdir()} == {"cup.gltf", "my mesh.bin"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.glb", b"", "has 0 bytes"),
        ("broken.gltf", b"{", "is no glTF file"),
        ("broken.zip", b"PK", "no whole zip"),
    ],
)
def test_an_unreadable_file_is_left_out_with_the_reason(
    bank: Bank, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.stl").write_text("solid")
    files = [tmp_path / name, tmp_path / "good.stl"]
    tally = add(bank, files, licence_of("own", ""), make_progress("plain"))
    assert tally.outcomes == {"refused": 1, "fetched": 1}
    assert said in tally.table()


def put_long_name(folder: Path) -> None:
    (folder / f"{'x' * 245}.obj").write_text(TRIANGLE)


@pytest.mark.parametrize(
    ("name", "put", "fetched"),
    [
        ("broken link", lambda folder: (folder / "b.obj").symlink_to("nowhere.obj"), 1),
        ("folder", lambda folder: (folder / "a.blend").mkdir(), 1),
        ("long name", put_long_name, 2),
        ("NUL", lambda folder: (folder / "n.obj").write_bytes(b"mtllib a\0b.mtl\nv 0 0 0"), 2),
        ("long", lambda folder: (folder / "n.obj").write_text(f"mtllib {'a' * 5000}\n"), 2),
        ("number", lambda folder: (folder / "n.gltf").write_text('{"buffers": [{"uri": 5}]}'), 2),
        ("%00", lambda folder: (folder / "n.gltf").write_text('{"images": [{"uri": "a%00"}]}'), 2),
    ],
)
def test_odd_names_in_a_folder_stop_no_other_file(
    bank: Bank, tmp_path: Path, name: str, put: Callable[[Path], None], fetched: int
) -> None:
    folder = tmp_path / "meshes"
    folder.mkdir()
    (folder / "z.obj").write_text(TRIANGLE)
    put(folder)
    tally = add(bank, mesh_files([folder]), None, make_progress("plain"))
    assert tally.outcomes == {"fetched": fetched}, name


def test_a_file_that_cannot_be_read_is_refused_and_stops_no_other(
    bank: Bank, tmp_path: Path
) -> None:
    (tmp_path / "good.stl").write_text("solid")
    files = [tmp_path / "gone.stl", tmp_path / "good.stl"]
    tally = add(bank, files, None, make_progress("plain"))
    assert tally.outcomes == {"refused": 1, "fetched": 1}
    assert "gone.stl" in tally.table()


def test_a_full_disk_refuses_no_file(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "good.stl").write_text("solid")
    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        add(bank, [tmp_path / "good.stl"], None, make_progress("plain"))


def test_a_file_that_was_lost_is_put_back_by_adding_it_again(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "cup.obj").write_text(TRIANGLE)
    cup = (tmp_path / "cup.obj", "--source", "local", "--bank", bank.root)
    run_cli("assets", "fetch", *cup)
    (before,) = bank.records()
    bank.file(before.file).unlink()
    run_cli("assets", "fetch", "--bank", bank.root)
    assert "add cup.obj with --source local again" in bank.read(before.id).refused
    assert run_cli("assets", "fetch", *cup).stdout.split() == ["renewed", "1"]
    assert bank.read(before.id) == before
    assert model_path(bank, before).read_text() == TRIANGLE


def test_a_licence_that_is_given_later_counts_and_one_that_is_not_changes_nothing(
    bank: Bank, tmp_path: Path
) -> None:
    (tmp_path / "cup.obj").write_text(TRIANGLE)
    cup = (tmp_path / "cup.obj", "--source", "local", "--bank", bank.root)
    run_cli("assets", "fetch", *cup)
    given = ("--licence", "cc_by", "--author", "Ada")
    for words, said in ((given, "renewed"), (given, "known"), ((), "known")):
        assert run_cli("assets", "fetch", *cup, *words).stdout.split() == [said, "1"]
        (after,) = bank.records()
        assert after.licence.attribution.startswith('"cup" by Ada, CC BY 4.0')
    assert run_cli("assets", "fetch", *cup, "--licence", "own").stdout.split() == ["renewed", "1"]
    assert next(bank.records()).licence == Licence(name="own")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.obj"], "no such file or folder"),
        ([__file__], "is no mesh file"),
        ([Path(__file__).parent], "holds no mesh file"),
        ([__file__, "--licence", "cc_by"], "add --author NAME"),
    ],
)
def test_what_cannot_be_added_says_why(bank: Bank, arguments: list[str], said: str) -> None:
    if "--licence" in arguments:
        arguments = [str(bank.root), *arguments[1:]]
        bank.root.mkdir()
        (bank.root / "a.stl").write_text("solid")
    run = run_cli("assets", "fetch", "--source", "local", *arguments, "--bank", bank.root)
    assert run.returncode == 3
    assert said in run.stderr


# Telling


def test_assets_are_listed_by_every_filter_together() -> None:
    verdict = Verdict(ruling="accepted", optical="transparent", score=0.9, reasons=("glass",))
    assets = [
        asset("a", file=stored(), verdict=verdict, category="kitchen"),
        asset("b", file=stored(), verdict=verdict, category="office"),
        asset("c", refused="broken", category="kitchen"),
    ]
    wanted = Filter(category="kitchen", judged="accepted", optical="transparent", state="fetched")
    assert [one.name for one in assets if wanted.matches(one)] == ["a"]
    listed = table(assets).splitlines()
    assert listed[0].split()[:3] == ["id", "name", "licence"]
    assert listed[1].split() == [
        "local-a",
        "a",
        "cc_zero",
        "kitchen",
        "fetched",
        "accepted",
        "transparent",
    ]
    assert listed[-1] == "3 assets"


def test_a_persons_word_outranks_the_verdict() -> None:
    verdict = Verdict(ruling="rejected", optical="opaque", score=0.9, reasons=())
    said = Override(ruling="accepted", optical="reflective")
    assert judgement_of(asset(verdict=verdict, override=said)) == "accepted"


def test_everything_known_of_an_asset_is_shown_with_its_files(bank: Bank) -> None:
    signal = Signal(transparent=0.9, reflective=0.1, reasons=("65% glass",), version="1")
    shown = describe(bank, asset(file=stored(), signals={"graph": signal}, size=(0.1, 0.2, 0.3)))
    assert f"{bank.root / 'downloads/x.glb'}, 1 bytes" in shown
    assert "MISSING" in shown
    assert "transparent 0.90, reflective 0.10: 65% glass" in shown
    assert "0.100 x 0.200 x 0.300 m" in shown


def test_commands_show_one_asset_and_list_all(bank: Bank) -> None:
    bank.write(asset())
    place = ("--bank", bank.root)
    assert "creativecommons" not in run_cli("assets", "list", *place).stdout
    shown = json.loads(run_cli("assets", "show", "local-cup", "--json", *place).stdout)
    assert shown["licence"]["name"] == "cc_zero"
    wrong = run_cli("assets", "show", "local-cap", *place)
    assert wrong.returncode == 3
    assert "did you mean 'local-cup'" in wrong.stderr
