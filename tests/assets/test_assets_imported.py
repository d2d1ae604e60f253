"""Imported assets are files that give back what was put in, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bank_things import tumbler

from transphy3d.assets.geometry import Asset, Cavity, Part
from transphy3d.assets.imported import load_imported, save_imported
from transphy3d.errors import AssetError


def asset() -> Asset:
    mesh = tumbler(24)
    lining = np.arange(len(mesh.faces)) % 3 == 0
    parts = (
        Part("body", mesh, ("glass", "plastic"), ("transparent",)),
        Part("cap", replace(mesh, uv=None), ("metal",), ("reflective", "opaque")),
    )
    hulls = (mesh.vertices[:7], mesh.vertices[9:14])
    return Asset("vase-1", "vase", parts, hulls, 30.0, 0.002, Cavity(lining, 0.005, 0.1))


def test_an_asset_comes_back_as_it_was(tmp_path: Path) -> None:
    before = asset()
    save_imported(before, tmp_path / "a.npz")
    after = load_imported(tmp_path / "a.npz")
    assert (after.name, after.category, after.wall) == ("vase-1", "vase", 0.002)
    for one, other in zip(before.parts, after.parts, strict=True):
        assert (one.name, one.kinds, one.optical) == (other.name, other.kinds, other.optical)
        assert np.array_equal(one.mesh.vertices, other.mesh.vertices)
        assert np.array_equal(one.mesh.faces, other.mesh.faces)
    assert after.parts[0].mesh.uv is not None
    assert np.array_equal(after.parts[0].mesh.uv, before.parts[0].mesh.uv)
    assert after.parts[1].mesh.uv is None
    assert all(map(np.array_equal, before.hulls, after.hulls))
    assert before.cavity
    assert after.cavity
    assert np.array_equal(after.cavity.wall, before.cavity.wall)
    assert (after.cavity.floor, after.cavity.brim) == (0.005, 0.1)


def test_equal_assets_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        save_imported(asset(), tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("kept", [0, 10, 3000])
def test_a_damaged_file_says_so(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.npz"
    save_imported(asset(), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AssetError, match=r"a\.npz.*import the asset again"):
        load_imported(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="no such file"):
        load_imported(tmp_path / "gone.npz")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, about=np.array([object()], dtype=object))
    with pytest.raises(AssetError, match="damaged"):
        load_imported(path)
