"""Debian's Sweet Home 3D furniture becomes records with real sizes, licences and authors."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from blendkit_server import Trouble, serving
from command_line import run_cli

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank
from transphy3d.assets.sources import sweethome3d_bank
from transphy3d.assets.sources.debian import Package, copyright_stanzas, data_of
from transphy3d.assets.sources.sweethome3d import catalogue_entries, opened
from transphy3d.assets.web import Patience, Web
from transphy3d.errors import AssetError
from transphy3d.progress import make_progress

NOTICE = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: Open/*
Copyright: 2014, Emmanuel PUYBARET <info@example.org>
           and other contributors
License: CC0

Files: Named/*
Copyright: The contributors
License: CC-BY-3.0

License: CC0
 Public domain.
"""
CATALOGUE = """# furniture
id=Set#Models
name=A set

id#1=Set#wineGlass
name#1=Bill 10\\u20ac
tags#1=Blend Swap, Kitchen
category#1=Kitchen
icon#1=/set/wineGlass.png
model#1=/set/wineGlass/wineGlass.obj
width#1=8.3
depth#1=8.1
height#1=13.1
movable#1=true
creator#1=Ada
"""
ROTATED = """
id#2=Set#jar
name#2=Jar
model#2=/set/jar/jar.obj
width#2=10
depth#2=11
height#2=12
modelRotation#2=1 0 0 0 0 1 0 -1 0
creator#2=Blend Swap
"""
SWAP = """Thank you for downloading "Jar pack" by Grace
Released under
Creative Commons {licence}
Downloaded from http://www.blendswap.com/blends/view/42
"""


def library(entries: str = CATALOGUE, **files: str) -> bytes:
    """A .sh3f file with two models, and `files`, whose names have __ for / and _dot_ for a dot."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("PluginFurnitureCatalog.properties", entries.encode("latin-1"))
        archive.writestr("LICENSE.TXT", "licence of the library")
        archive.writestr("set/wineGlass.png", b"\x89PNG icon")
        archive.writestr("set/wineGlass/", b"")
        archive.writestr("set/wineGlass/wineGlass.obj", "mtllib wineGlass.mtl\nv 0 0 0")
        archive.writestr("set/wineGlass/wineGlass.mtl", "newmtl glass\nd 0.2")
        archive.writestr("set/jar/jar.obj", "v 1 0 0")
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return stream.getvalue()


def package_of(**libraries: bytes) -> bytes:
    """A .deb that installs libraries and a notice."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:xz") as data:
        add(data, "./usr/share/doc/sweethome3d-furniture/copyright", NOTICE.encode())
        for name, content in libraries.items():
            add(data, f"./usr/share/sweethome3d/furniture/{name}.sh3f", content)
    members = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": inner.getvalue()}
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
        parts += [header.encode(), content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


def add(data: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    data.addfile(member, io.BytesIO(content))


def records(tmp_path: Path, **libraries: bytes) -> dict[str, AssetRecord]:
    path = tmp_path / "furniture.deb"
    path.write_bytes(package_of(**libraries))
    with opened(path, tmp_path) as pieces:
        return {piece.record.id: piece.record for piece in pieces}


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "bank")


@pytest.fixture
def web() -> Web:
    return Web(make_progress("plain"), Patience(first=0.01))


def filled(bank: Bank, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "furniture.deb"
    path.write_bytes(package_of(Named=content))
    bank.root.mkdir()
    sweethome3d_bank.add_records(bank, path, lambda asset: True, None)
    assets = list(bank.records())
    sweethome3d_bank.fetch(bank, path, assets, make_progress("plain"))


def test_a_piece_has_its_real_size_name_category_and_author(tmp_path: Path) -> None:
    asset = records(tmp_path, Named=library())["sweethome3d-set-wineglass"]
    assert asset.size == (0.083, 0.081, 0.131)
    assert (asset.name, asset.category) == ("Bill 10€", "kitchen")
    assert asset.tags == ("Blend Swap", "Kitchen")
    assert (asset.licence.name, asset.licence.version) == ("cc_by", "3.0")
    assert asset.licence.author == "Ada"
    assert '"Bill 10€" by Ada' in asset.licence.attribution
    assert "https://creativecommons.org/licenses/by/3.0/" in asset.licence.attribution


def test_the_licence_is_that_of_the_library(tmp_path: Path) -> None:
    asset = records(tmp_path, Open=library())["sweethome3d-set-wineglass"]
    assert (asset.licence.name, asset.licence.attribution) == ("cc_zero", "")


def test_a_model_whose_own_licence_asks_for_more_gets_that(tmp_path: Path) -> None:
    notice = {"set__wineGlass__LICENSE_dot_txt": SWAP.format(licence="Attribution 3.0")}
    asset = records(tmp_path, Open=library(**notice))["sweethome3d-set-wineglass"]
    assert asset.licence.name == "cc_by"
    assert "by Ada (http://www.blendswap.com/blends/view/42)" in asset.licence.attribution


def test_a_model_whose_own_licence_asks_for_less_keeps_the_librarys(tmp_path: Path) -> None:
    notice = {"set__wineGlass__LICENSE_dot_txt": SWAP.format(licence="Zero (Public Domain)")}
    asset = records(tmp_path, Named=library(**notice))["sweethome3d-set-wineglass"]
    assert asset.licence.name == "cc_by"


def test_an_author_that_the_catalogue_lacks_comes_from_the_models_notice(tmp_path: Path) -> None:
    notice = {"set__jar__BLENDSWAP_LICENSE_dot_txt": SWAP.format(licence="Attribution 3.0")}
    asset = records(tmp_path, Named=library(CATALOGUE + ROTATED, **notice))["sweethome3d-set-jar"]
    assert asset.licence.author == "Grace"
    assert asset.url == "http://www.blendswap.com/blends/view/42"


def test_a_rotation_is_kept_row_by_row(tmp_path: Path) -> None:
    found = records(tmp_path, Named=library(CATALOGUE + ROTATED))
    turned = found["sweethome3d-set-jar"].declared["modelRotation"]
    assert turned == [1, 0, 0, 0, 0, 1, 0, -1, 0]
    plain = found["sweethome3d-set-wineglass"].declared["modelRotation"]
    assert plain == [1, 0, 0, 0, 1, 0, 0, 0, 1]


def test_a_mesh_lies_beside_its_materials_and_licences(bank: Bank, tmp_path: Path) -> None:
    notice = {"set__wineGlass__SWAP_LICENSE_dot_txt": "licence of the model"}
    filled(bank, tmp_path, library(**notice))
    asset = bank.read("sweethome3d-set-wineglass")
    mesh = model_path(bank, asset)
    assert mesh.read_text().startswith("mtllib wineGlass.mtl")
    beside = {path.name for path in mesh.parent.iterdir()}
    assert beside == {"wineGlass.obj", "wineGlass.mtl", "SWAP_LICENSE.txt", "LICENSE.TXT"}
    assert bank.file(asset.thumbnail).read_bytes() == b"\x89PNG icon"


def test_equal_packages_make_equal_files(tmp_path: Path) -> None:
    hashes = []
    for name in ("one", "two"):
        bank = Bank(tmp_path / name)
        filled(bank, tmp_path, library())
        hashes.append(bank.read("sweethome3d-set-wineglass").file)
    assert hashes[0] == hashes[1]


def test_a_model_that_the_library_lacks_refuses_that_piece_alone(
    bank: Bank, tmp_path: Path
) -> None:
    filled(bank, tmp_path, library(CATALOGUE + ROTATED.replace("jar.obj", "lost.obj")))
    assert "holds no lost.obj" in bank.read("sweethome3d-set-jar").refused
    assert bank.read("sweethome3d-set-wineglass").file


def test_the_package_comes_from_a_mirror_and_only_once(
    bank: Bank, web: Web, tmp_path: Path
) -> None:
    content = package_of(Named=library())
    package = Package("toy", "1", "pool/toy.deb", len(content), hashlib.sha256(content).hexdigest())
    with serving([]) as mirror:
        mirror.troubles.append(Trouble("/pool/toy.deb", status=200, body=content))
        for _ in range(2):
            path = sweethome3d_bank.package_file(bank, web, mirror.files_url, package)
        assert mirror.paths("files") == ["/pool/toy.deb"]
    assert path.read_bytes() == content
    assert path.parent == bank.downloads


@pytest.mark.parametrize("works", [True, False])
def test_the_machines_own_apt_is_asked_before_the_public_mirror(
    bank: Bank, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    content = package_of(Named=library())
    (tmp_path / "toy.deb").write_bytes(content)
    (tmp_path / "bin").mkdir()
    apt = tmp_path / "bin" / "apt-get"
    does = f'test "$*" = "download toy=1" && cp {tmp_path}/toy.deb toy_1_all.deb'
    apt.write_text(f"#!/bin/sh\n{does if works else 'exit 100'}\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apt.parent}:/usr/bin:/bin")
    package = Package("toy", "1", "toy.deb", len(content), hashlib.sha256(content).hexdigest())
    with serving([]) as mirror:
        mirror.troubles.append(Trouble("/toy.deb", status=200, body=content))
        monkeypatch.setattr(sweethome3d_bank, "DEFAULT_MIRROR", mirror.files_url)
        path = sweethome3d_bank.package_file(bank, web, "", package)
        assert mirror.paths("files") == ([] if works else ["/toy.deb"])
    assert path.read_bytes() == content


def test_another_package_than_the_pinned_one_is_refused(bank: Bank, web: Web) -> None:
    content = package_of(Named=library())
    package = Package("toy", "1", "toy.deb", len(content), "0" * 64)
    with serving([]) as mirror:
        mirror.troubles.append(Trouble("/toy.deb", status=200, body=content))
        with pytest.raises(AssetError, match=r"SHA-256 is .*, not 0000"):
            sweethome3d_bank.package_file(bank, web, mirror.files_url, package)
    assert [path for path in bank.root.rglob("*") if path.is_file()] == []


def test_a_mirror_without_the_package_is_named_by_the_command(bank: Bank) -> None:
    with serving([]) as mirror:
        mirror.troubles.append(Trouble(".deb", status=404))
        place = ("--bank", bank.root, "--mirror", mirror.files_url)
        said = run_cli("assets", "fetch", "--source", "sweethome3d", *place)
    assert said.returncode == 3
    assert "sweethome3d-furniture_1.8-1_all.deb: 404" in said.stderr


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"no package", "is no Debian package"),
        (b"!<arch>\n", "holds no data.tar"),
        (package_of(Named=b"x" * 5000)[:-200], "damaged"),
    ],
)
def test_what_is_no_package_is_an_error(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "furniture.deb"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=match), data_of(path) as data:
        for member in data:
            data.extractfile(member)


def test_stanzas_name_files_licence_and_every_holder() -> None:
    first, second = copyright_stanzas(NOTICE)
    assert (first.files, first.licence) == ("Open/*", "CC0")
    assert first.copyright.endswith("<info@example.org> and other contributors")
    assert replace(second, copyright="").licence == "CC-BY-3.0"


def test_entries_are_read_in_the_order_of_their_numbers() -> None:
    entries = catalogue_entries("name#10=last\nname#2 = first\nother=global\nicon#2=a=b")
    assert entries == [{"name": "first", "icon": "a=b"}, {"name": "last"}]
