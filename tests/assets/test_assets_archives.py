"""Archives unpack inside their own folder, within bounds, or not at all."""

from __future__ import annotations

import contextlib
import io
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transphy3d.assets import archives
from transphy3d.assets.archives import main_member, model_path, pack, unpack
from transphy3d.assets.bank import AssetRecord, Bank, Licence
from transphy3d.assets.store import keep, receiving
from transphy3d.errors import AssetError


def archive_of(tmp_path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return path


def test_an_archive_unpacks_with_its_folders(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("cup/cup.obj", b"v 0 0 0"), ("cup/tex/wood.png", b"png"))
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "cup" / "tex" / "wood.png").read_bytes() == b"png"


@pytest.mark.parametrize(
    "name", ["../evil.blend", "a/../../evil.blend", "/tmp/evil.blend", "C:evil.blend", "..\\evil"]
)
def test_a_member_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = archive_of(tmp_path, ("good.blend", b"BLENDER"), (zipfile.ZipInfo(name), b"evil"))
    with pytest.raises(AssetError, match="outside its folder"):
        unpack(path, tmp_path / "deep" / "out")
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == ["model.zip"]


def test_a_member_without_a_name_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive_of(tmp_path, ("cup.obj", b"v 0 0 0"), ("X", b"x")).read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    # The directory calls the letter a comment.
    data[entry + 28 : entry + 34] = (0, 0, 0, 0, 1, 0)
    (tmp_path / "model.zip").write_bytes(data)
    with pytest.raises(AssetError, match="has no name"):
        main_member(tmp_path / "model.zip")


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.blend")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(AssetError, match="is a link"):
        unpack(archive_of(tmp_path, (link, b"/etc/passwd")), tmp_path / "out")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("cup.obj", b"one"), ("CUP.obj", b"two"))
    with pytest.raises(AssetError, match="one name"):
        unpack(path, tmp_path / "out")


def test_an_archive_that_explodes_is_refused_before_it_does(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("bomb.blend", b"\0" * (64 << 20)))
    with pytest.raises(AssetError, match="more than 200 times its size"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_many_files_and_too_many_bytes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path, *((f"{number}.obj", b"v") for number in range(2001)))
    with pytest.raises(AssetError, match="2001 files"):
        unpack(path, tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_BYTES", 100)
    with pytest.raises(AssetError, match="101 bytes"):
        unpack(archive_of(tmp_path, ("a.obj", b"v" * 101)), tmp_path / "out")


@pytest.mark.parametrize("damage", ["cut", "flipped", "lying"])
def test_a_damaged_archive_leaves_no_folder(tmp_path: Path, damage: str) -> None:
    data = bytearray(archive_of(tmp_path, ("cup.obj", bytes(range(256)) * 64)).read_bytes())
    if damage == "cut":
        data = data[:-30]
    elif damage == "flipped":
        data[60] ^= 0xFF
    else:
        # The directory claims a shorter content than there is.
        place = data.index(b"PK\x01\x02") + 24
        data[place : place + 4] = (100).to_bytes(4, "little")
    (tmp_path / "model.zip").write_bytes(data)
    with pytest.raises(AssetError, match="no whole zip"):
        unpack(tmp_path / "model.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_damage_makes_anything_but_an_asset_error(changes: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = archive_of(folder, ("a/cup.obj", b"v 0 0 0" * 40), ("a/b.mtl", b"newmtl"))
        data = bytearray(path.read_bytes())
        for place, value in changes:
            data[place % len(data)] = value
        path.write_bytes(data)
        with contextlib.suppress(AssetError):
            unpack(path, folder / "deep" / "out")
        outside = {file for file in folder.rglob("*") if "deep" not in file.parts}
        assert outside == {path}


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path, ("cup", b"one"), ("cup/cup.obj", b"two"))
    with pytest.raises(AssetError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive_of(tmp_path, ("cup.obj", b"v 0 0 0")).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "model.zip").write_bytes(data)
    with pytest.raises(AssetError, match="encrypted"):
        unpack(tmp_path / "model.zip", tmp_path / "out")


def test_the_mesh_of_an_archive_is_the_richest_and_then_the_largest(tmp_path: Path) -> None:
    path = archive_of(
        tmp_path, ("a.stl", b"s" * 99), ("b.blend", b"B"), ("c.blend", b"BB"), ("d.png", b"p" * 99)
    )
    assert main_member(path) == "c.blend"


def test_an_archive_without_a_mesh_says_what_would_be_one(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"holds no mesh file \(\.blend"):
        main_member(archive_of(tmp_path, ("readme.txt", b"hello")))


def test_packing_gives_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    pack({"b.mtl": b"2", "a.obj": b"1"}, tmp_path / "one.zip")
    pack({"a.obj": b"1", "b.mtl": b"2"}, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def stored_asset(bank: Bank, content: bytes, suffix: str, member: str) -> AssetRecord:
    with receiving(bank, "asset") as scratch:
        scratch.write_bytes(content)
        stored = keep(bank, scratch, suffix, member)
    licence = Licence(name="own")
    return AssetRecord(
        id="local-a", source="local", source_id="a", name="a", licence=licence, file=stored
    )


def test_the_mesh_of_a_record_is_unpacked_once_and_again_when_removed(tmp_path: Path) -> None:
    bank, stream = Bank(tmp_path), io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("cup.obj", "v 0 0 0")
    asset = stored_asset(bank, stream.getvalue(), ".zip", "cup.obj")
    first = model_path(bank, asset)
    first.write_text("marked")
    assert model_path(bank, asset).read_text() == "marked"
    first.unlink()
    first.parent.rmdir()
    assert model_path(bank, asset).read_text() == "v 0 0 0"


def test_a_record_whose_member_leads_outside_gives_no_file(tmp_path: Path) -> None:
    bank, stream = Bank(tmp_path / "bank"), io.BytesIO()
    (tmp_path / "secret.obj").write_text("secret")
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("cup.obj", "v 0 0 0")
    asset = stored_asset(bank, stream.getvalue(), ".zip", "../../../secret.obj")
    with pytest.raises(AssetError, match="holds no file"):
        model_path(bank, asset)


def test_an_asset_without_a_file_says_how_to_get_it(tmp_path: Path) -> None:
    asset = AssetRecord(
        id="local-a", source="local", source_id="a", name="a", licence=Licence(name="own")
    )
    with pytest.raises(AssetError, match="assets fetch local-a"):
        model_path(Bank(tmp_path), asset)
