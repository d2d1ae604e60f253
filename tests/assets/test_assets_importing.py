"""What people model becomes closed parts of the right material, in metres, on its base."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from bank_things import (
    GLASS,
    PAPER,
    STEEL,
    accepted,
    added,
    classes,
    cylinder,
    imported,
    tumbler,
    without_top,
    write_obj,
)
from command_line import run_cli
from PIL import Image

from transphy3d.assets.bank import Bank
from transphy3d.assets.collision import hull_volume
from transphy3d.assets.geometry import Asset, Mesh
from transphy3d.assets.import_run import import_apart, is_current, pending
from transphy3d.assets.importing import placed
from transphy3d.assets.liquid import fill
from transphy3d.assets.mend import is_closed
from transphy3d.assets.meshfile import Piece
from transphy3d.assets.pieces import pieces_of
from transphy3d.assets.procedural.solid import signed_volume, to_manifold
from transphy3d.assets.revolution import profile_of
from transphy3d.errors import AssetError


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "bank")


def extent(asset: Asset) -> np.ndarray:
    return np.ptp(asset.points(), axis=0)


def test_a_glass_with_a_steel_lid_keeps_its_two_materials_and_holds_a_liquid(
    bank: Bank, tmp_path: Path
) -> None:
    lid = cylinder(0.02, 0.01, (0.0, 0.0, 0.1104))
    path = write_obj(tmp_path / "jar.obj", [(GLASS, tumbler()), (STEEL, lid)])
    record, asset = imported(bank, added(bank, path))
    assert classes(asset) == {"body": ("transparent",), "steel": ("reflective", "opaque")}
    assert [part.kinds for part in asset.parts] == [("glass", "plastic"), ("metal",)]
    assert all(is_closed(part.mesh) for part in asset.parts)
    assert asset.points()[:, 2].min() == 0
    assert extent(asset)[2] == pytest.approx(0.1204, abs=1e-5)
    assert asset.cavity
    assert asset.cavity.floor == pytest.approx(0.005, abs=1e-5)
    assert is_closed(fill(asset, 0.5, 1.33, 1.5).parts[-1].mesh)
    assert record.imported
    assert record.imported.method.startswith("profile")


def test_a_set_of_things_that_lie_apart_is_refused(bank: Bank, tmp_path: Path) -> None:
    fork = cylinder(0.005, 0.01, (0.2, 0.0, 0.0))
    path = write_obj(tmp_path / "table.obj", [(GLASS, tumbler()), (STEEL, fork)])
    with pytest.raises(AssetError, match="a set of 2 separate things"):
        imported(bank, added(bank, path))


def test_a_sheet_of_glass_gets_a_wall_with_its_outside_kept(bank: Bank, tmp_path: Path) -> None:
    sheet = without_top(cylinder(0.035, 0.1))
    record, asset = imported(bank, added(bank, write_obj(tmp_path / "g.obj", [(GLASS, sheet)])))
    assert record.imported
    assert any("got a wall" in note for note in record.imported.notes)
    assert is_closed(asset.parts[0].mesh)
    assert extent(asset) == pytest.approx([0.07, 0.07, 0.1], abs=1e-4)
    area = 2 * np.pi * 0.035 * 0.1 + np.pi * 0.035**2
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(area * asset.wall, rel=0.15)
    assert asset.cavity


def test_two_sheets_that_are_the_sides_of_a_wall_become_one_vessel(
    bank: Bank, tmp_path: Path
) -> None:
    outer = without_top(cylinder(0.035, 0.1))
    inner = without_top(cylinder(0.033, 0.094, (0, 0, 0.005)))
    path = write_obj(tmp_path / "w.obj", [(GLASS, outer), (GLASS, inner)])
    _, asset = imported(bank, added(bank, path))
    expected = signed_volume(cylinder(0.035, 0.1)) - signed_volume(cylinder(0.033, 0.095))
    assert len(asset.parts) == 1
    assert is_closed(asset.parts[0].mesh)
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(expected, rel=0.02)
    assert asset.cavity
    assert asset.cavity.floor == pytest.approx(0.005, abs=1e-4)


def test_overlapping_bodies_of_glass_become_one(bank: Bank, tmp_path: Path) -> None:
    stem, bowl = cylinder(0.01, 0.06), cylinder(0.03, 0.05, (0, 0, 0.05))
    path = write_obj(tmp_path / "o.obj", [(GLASS, stem), (GLASS, bowl)])
    _, asset = imported(bank, added(bank, path))
    whole = to_manifold(stem) + to_manifold(bowl)
    assert len(asset.parts) == 1
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(whole.volume(), rel=1e-4)
    assert len(to_manifold(asset.parts[0].mesh).decompose()) == 1


def test_a_label_on_glass_stays_opaque_and_the_glass_whole(bank: Bank, tmp_path: Path) -> None:
    bottle = cylinder(0.03, 0.1)
    middle = bottle.vertices[bottle.faces].mean(axis=1)
    labelled = np.abs(np.arctan2(middle[:, 1], middle[:, 0])) < 1.0
    labelled &= np.hypot(middle[:, 0], middle[:, 1]) > 0.025
    glass = Mesh(bottle.vertices, bottle.faces[~labelled])
    label = Mesh(bottle.vertices, bottle.faces[labelled])
    path = write_obj(tmp_path / "b.obj", [(GLASS, glass), (PAPER, label)])
    _, asset = imported(bank, added(bank, path))
    assert classes(asset) == {"body": ("transparent",), "paper": ("opaque",)}
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(signed_volume(bottle), rel=1e-4)
    assert not (to_manifold(asset.parts[0].mesh) ^ to_manifold(asset.parts[1].mesh)).volume() > 0


def test_a_liquid_is_left_out_and_the_solid_glass_around_it_gets_hollow(
    bank: Bank, tmp_path: Path
) -> None:
    bottle, water = cylinder(0.03, 0.1), cylinder(0.025, 0.08, (0, 0, 0.005))
    path = write_obj(tmp_path / "b.obj", [(GLASS, bottle), ("water", water)])
    _, asset = imported(bank, added(bank, path))
    assert list(classes(asset)) == ["body"]
    hollow = signed_volume(bottle) - signed_volume(water)
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(hollow, rel=1e-3)
    assert asset.cavity


def test_doubled_faces_and_inside_out_bodies_are_mended(bank: Bank, tmp_path: Path) -> None:
    ball = trimesh.creation.icosphere(2, 0.03)
    faces = np.concatenate([ball.faces[:, ::-1], ball.faces]).astype(np.int32)
    mesh = Mesh(np.asarray(ball.vertices), faces)
    _, asset = imported(bank, added(bank, write_obj(tmp_path / "b.obj", [(STEEL, mesh)])))
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(ball.volume, rel=1e-3)


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".stl"])
def test_other_formats_are_read(bank: Bank, tmp_path: Path, suffix: str) -> None:
    box = trimesh.creation.box((0.04, 0.05, 0.06))
    box.export(tmp_path / f"box{suffix}")
    _, asset = imported(bank, added(bank, tmp_path / f"box{suffix}"))
    assert sorted(extent(asset)) == pytest.approx([0.04, 0.05, 0.06], abs=1e-6)
    assert hull_volume(asset.hulls) == pytest.approx(0.04 * 0.05 * 0.06, rel=1e-3)


def test_a_size_that_the_source_gives_sets_a_doubtful_unit_right(
    bank: Bank, tmp_path: Path
) -> None:
    path = write_obj(tmp_path / "cm.obj", [(STEEL, cylinder(3.0, 11.0))])
    record, asset = imported(bank, added(bank, path, size=(0.06, 0.06, 0.11)))
    assert extent(asset)[2] == pytest.approx(0.11)
    assert record.imported
    assert any("scaled by 0.01" in note for note in record.imported.notes)


@pytest.mark.parametrize("size", [1e-4, 5.0])
def test_sizes_that_cannot_be_dropped_are_refused(tmp_path: Path, size: float) -> None:
    piece = Piece("a", cylinder(0.3 * size, size))
    record = added(Bank(tmp_path), write_obj(tmp_path / "a.obj", [(STEEL, cylinder(0.1, 0.1))]))
    with pytest.raises(AssetError, match="longest edge is"):
        placed(record, [piece])


def test_a_verdict_decides_what_the_largest_piece_is_made_of(bank: Bank, tmp_path: Path) -> None:
    path = write_obj(tmp_path / "cup.obj", [(PAPER, tumbler())])
    record = accepted(bank, added(bank, path))
    _, asset = imported(bank, record)
    assert classes(asset) == {"body": ("transparent",)}


def test_a_profile_is_found_despite_a_handle_and_the_handle_keeps_its_hole() -> None:
    ring = trimesh.creation.torus(0.025, 0.004)
    ring.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, (1, 0, 0)))
    ring.apply_translation((0.05, 0, 0.06))
    handle = to_manifold(Mesh(np.asarray(ring.vertices), np.asarray(ring.faces, np.int32)))
    cup = to_manifold(tumbler()) + (handle - to_manifold(cylinder(0.034, 0.2)))
    profile = profile_of(cup)
    assert profile
    assert profile.is_vessel
    assert profile.body.wall == pytest.approx(0.002, rel=0.3)


def test_a_box_has_no_profile() -> None:
    box = trimesh.creation.box((0.1, 0.08, 0.05))
    mesh = Mesh(np.asarray(box.vertices), np.asarray(box.faces, np.int32))
    assert profile_of(to_manifold(mesh)) is None


def test_pieces_of_a_vessel_leave_its_inside_free(tmp_path: Path) -> None:
    mesh = tumbler()
    volume = signed_volume(mesh)
    pieces = pieces_of(mesh, volume, tmp_path)
    assert pieces.methods == {"profile"}
    assert hull_volume(pieces.hulls) / volume == pytest.approx(1.0, abs=0.1)


def test_only_accepted_assets_are_due_and_done_ones_no_more(bank: Bank, tmp_path: Path) -> None:
    record = added(bank, write_obj(tmp_path / "a.obj", [(STEEL, cylinder(0.03, 0.1))]))
    assert pending(bank, (), everything=False, again=False) == []
    record = accepted(bank, record, "reflective")
    assert pending(bank, (), everything=False, again=False) == [record]
    done, _ = imported(bank, record)
    assert is_current(bank, done)
    assert pending(bank, (), everything=False, again=False) == []
    turned = accepted(bank, done, "transparent")
    assert pending(bank, (), everything=False, again=False) == [turned]


# What cannot be used


MAKE_BLENDS = """
import sys
from pathlib import Path
import bpy

folder = Path(sys.argv[1])


def new():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add(size=0.05)
    return bpy.context.object


def save(name):
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / name))


new()
save("plain.blend")
item = new()
text = bpy.data.texts.new("start.py")
text.write(f"open({str(folder / 'ran')!r}, 'w').close()")
text.use_module = True
driver = item.driver_add("location", 0).driver
driver.expression = f"open({str(folder / 'ran')!r}, 'w').close() or 0"
save("script.blend")
item = new()
bpy.ops.object.armature_add()
item.modifiers.new("rig", "ARMATURE").object = bpy.context.object
save("rigged.blend")
item = new()
item.keyframe_insert("location", frame=1)
item.location.x = 1
item.keyframe_insert("location", frame=9)
save("animated.blend")
bpy.ops.export_scene.fbx(filepath=str(folder / "moving.fbx"))
item = new()
item.keyframe_insert("location", frame=1)
item.keyframe_insert("location", frame=9)
bpy.ops.export_scene.fbx(filepath=str(folder / "still.fbx"))
"""


@pytest.fixture(scope="module")
def blends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blends")
    subprocess.run([sys.executable, "-c", MAKE_BLENDS, str(folder)], check=True, timeout=300)
    whole = (folder / "plain.blend").read_bytes()
    (folder / "cut.blend").write_bytes(whole[: len(whole) // 3])
    return folder


def test_a_script_in_a_blend_does_not_run(bank: Bank, blends: Path) -> None:
    _, asset = imported(bank, added(bank, blends / "script.blend"))
    assert extent(asset) == pytest.approx([0.05] * 3, abs=1e-6)
    assert not (blends / "ran").exists()


def test_an_fbx_file_that_moves_is_refused_and_one_with_curves_of_one_value_is_not(
    bank: Bank, blends: Path
) -> None:
    _, asset = imported(bank, added(bank, blends / "still.fbx"))
    assert extent(asset) == pytest.approx([0.05] * 3, abs=1e-6)
    with pytest.raises(AssetError, match="its file holds an animation"):
        imported(bank, added(bank, blends / "moving.fbx"))


def bad_files(folder: Path) -> dict[str, str]:
    """Files that cannot be used, with words that the refusal must hold."""
    corners = [(0, 0, np.nan), (0.1, 0, 0), (0, 0.1, 0)]
    trimesh.Trimesh(corners, [(0, 1, 2)], process=False).export(folder / "nan.ply")
    (folder / "points.obj").write_text("v 0 0 0\nv 1 0 0\n")
    flat = trimesh.Trimesh([(0, 0, 0), (0.1, 0, 0), (0.2, 0, 0)], [(0, 1, 2)], process=False)
    flat.export(folder / "line.stl")
    return {
        "nan.ply": "NaN",
        "points.obj": "holds no",
        "line.stl": "nothing solid",
    }


def test_hopeless_files_are_refused_with_the_reason_and_stop_no_others(
    bank: Bank, blends: Path, tmp_path: Path
) -> None:
    expected = {"rigged": "a rig", "animated": "an animation", "cut": "Blender cannot read"}
    for name in expected:
        added(bank, blends / f"{name}.blend")
    for name, words in bad_files(tmp_path).items():
        added(bank, tmp_path / name)
        expected[Path(name).stem] = words
    added(bank, blends / "plain.blend")
    said = run_cli("assets", "import", "--all", "--bank", bank.root, "--progress", "plain")
    assert said.returncode == 0, said.stderr
    outcomes = dict(line.split()[:2] for line in said.stdout.splitlines() if line[0] != " ")
    assert outcomes == {"imported": "1", "refused": str(len(expected))}
    for record in bank.records():
        assert (record.imported is None) == bool(record.refused)
        assert expected.get(record.name, "") in record.refused
    assert run_cli("assets", "check", "--bank", bank.root).returncode == 0


def test_a_picture_of_many_pixels_in_few_bytes_is_refused(bank: Bank, tmp_path: Path) -> None:
    path = write_obj(tmp_path / "bomb.obj", [(PAPER, cylinder(0.03, 0.1))])
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png", optimize=True)
    with path.with_suffix(".mtl").open("a") as stream:
        stream.write("map_Kd bomb.png\n")
    text = path.read_text().replace("\nf ", "\nvt 0.5 0.5\nf ", 1)
    path.write_text(re.sub(r"^f (\d+) (\d+) (\d+)$", r"f \1/1 \2/1 \3/1", text, flags=re.M))
    with pytest.raises(AssetError, match="pixels"):
        import_apart(bank, added(bank, path).id)


def test_an_import_that_takes_too_long_is_ended(bank: Bank, tmp_path: Path) -> None:
    record = added(bank, write_obj(tmp_path / "a.obj", [(STEEL, cylinder(0.03, 0.1))]))
    with pytest.raises(AssetError, match=r"more than 0 s"):
        import_apart(bank, record.id, seconds=0.05)
    assert not bank.imported(record.id).exists()


def test_ten_million_faces_are_refused_in_bounded_memory(bank: Bank, tmp_path: Path) -> None:
    count = 10_000_000
    head = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\n"
        f"property float y\nproperty float z\nelement face {count}\n"
        "property list uchar uint vertex_indices\nend_header\n"
    )
    face = np.zeros(1, [("n", "u1"), ("v", "<u4", 3)])
    face["n"], face["v"] = 3, (0, 1, 2)
    with (tmp_path / "huge.ply").open("wb") as stream:
        stream.write(head.encode())
        stream.write(np.array([(0, 0, 0), (0.1, 0, 0), (0, 0.1, 0)], "<f4").tobytes())
        for _ in range(10):
            stream.write(np.repeat(face, count // 10).tobytes())
    record = added(bank, tmp_path / "huge.ply")
    with pytest.raises(AssetError, match="are more than 2000000; decimate"):
        import_apart(bank, record.id)


FULL_DISK = """
import errno, os, sys
def check(event, arguments):
    if event == "os.rename" and {place!r} in str(arguments[1]):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
sys.addaudithook(check)
"""


@pytest.mark.parametrize(
    ("act", "place"),
    [
        ("import", "/imported/"),
        ("import", "transphy3d-extract-"),
        ("inspect", "transphy3d-inspect-"),
        ("inspect", "/inspections/"),
    ],
)
def test_a_full_disk_ends_the_work_and_marks_no_asset(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, place: str
) -> None:
    record = added(bank, write_obj(tmp_path / "c.obj", [(STEEL, cylinder(0.03, 0.1))]))
    faults = tmp_path / "faults"
    faults.mkdir()
    (faults / "sitecustomize.py").write_text(FULL_DISK.format(place=place))
    given = os.environ.get("PYTHONPATH", "")
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", f"{faults}{os.pathsep}{given}")
        said = run_cli("assets", act, record.id, "--bank", bank.root)
    assert said.returncode == 9, said.stderr
    assert "space" in said.stderr.splitlines()[-1]
    assert bank.read(record.id) == record
    assert run_cli("assets", act, record.id, "--bank", bank.root).returncode == 0
    assert bank.read(record.id) != record
