"""Users' meshes: read, scaled, turned, mended, and refused with a reason."""

import subprocess
import sys

import numpy as np
import pytest
import trimesh

from transphy3d.assets import collision, load
from transphy3d.assets.load import inspect_mesh, load_mesh, mesh_sha256
from transphy3d.assets.mend import is_closed
from transphy3d.assets.procedural.solid import hull_points, signed_volume
from transphy3d.config import MeshSource
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file

OPAQUE = ["metal", "ceramic"]


@pytest.fixture(autouse=True)
def one_hull(monkeypatch):
    """CoACD takes seconds; only the test about hollows needs it."""
    monkeypatch.setattr(load, "mesh_hulls", lambda mesh, _: (hull_points(mesh.vertices),))


def tub():
    """A tub 40 x 40 x 30 mm with a wall of 5 mm, off its origin."""
    outer = trimesh.creation.box((0.04, 0.04, 0.03))
    inner = trimesh.creation.box((0.03, 0.03, 0.03)).apply_translation((0, 0, 0.005))
    return trimesh.boolean.difference([outer, inner]).apply_translation((1, 2, 3))


def source(path, **fields):
    return MeshSource(path=str(path), **fields)


def exported(mesh, path):
    if path.suffix == ".gltf":
        files = trimesh.exchange.gltf.export_gltf(trimesh.Scene(mesh))
        for name, data in files.items():
            (path if name == "model.gltf" else path.parent / name).write_bytes(data)
    else:
        mesh.export(path)
    return path


@pytest.mark.parametrize("suffix", ["glb", "gltf", "obj", "ply", "stl"])
def test_every_format_gives_the_same_closed_solid_on_its_base(tmp_path, suffix):
    asset = load_mesh(source(exported(tub(), tmp_path / f"tub.{suffix}"), category="tub"), tmp_path)
    points = asset.points()
    assert np.allclose(points.min(axis=0), (-0.02, -0.02, 0), atol=1e-6)
    assert np.allclose(points.max(axis=0), (0.02, 0.02, 0.03), atol=1e-6)
    assert [is_closed(part.mesh) for part in asset.parts] == [True]
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(tub().volume, rel=1e-3)
    assert (asset.name, asset.category) == ("tub", "tub")


def test_a_hollow_stays_hollow_and_its_hulls_are_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "mesh_hulls", collision.mesh_hulls)
    path = exported(tub(), tmp_path / "tub.stl")
    asset = load_mesh(source(path), tmp_path / "cache")
    assert 1.0 <= collision.hull_volume(asset.hulls) / tub().volume < 1.25
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1
    again = load_mesh(source(path), tmp_path / "cache")
    assert all((a == b).all() for a, b in zip(asset.hulls, again.hulls, strict=True))


def test_size_sets_the_longest_edge(tmp_path):
    path = exported(trimesh.creation.box((20, 40, 80)), tmp_path / "box.stl")
    points = load_mesh(source(path, size=0.1), tmp_path).points()
    assert np.allclose(np.ptp(points, axis=0), (0.025, 0.05, 0.1))


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_up_names_the_axis_that_points_up(tmp_path, up):
    axis = {"x": 0, "y": 1, "z": 2}[up[-1]]
    sign = -1.0 if up[0] == "-" else 1.0
    peak = np.zeros(3)
    peak[axis] = sign * 0.1
    base = np.array([(a, b) for a in (-0.02, 0.02) for b in (-0.02, 0.02)])
    corners = np.vstack([np.insert(base, axis, 0.0, axis=1), peak])
    path = exported(trimesh.convex.convex_hull(corners), tmp_path / "pyramid.stl")
    asset = load_mesh(source(path, up=up), tmp_path)
    assert np.allclose(asset.points()[asset.points()[:, 2].argmax()], (0, 0, 0.1), atol=1e-7)
    assert signed_volume(asset.parts[0].mesh) > 0


def test_inside_out_faces_are_turned(tmp_path):
    mesh = trimesh.creation.icosphere(2, 0.03)
    mesh.invert()
    asset, notes = inspect_mesh(source(exported(mesh, tmp_path / "ball.stl")), tmp_path)
    assert signed_volume(asset.parts[0].mesh) > 0
    assert "inside-out" in notes[0]


def test_mixed_winding_is_made_even(tmp_path):
    mesh = trimesh.creation.icosphere(2, 0.03)
    mesh.faces[::7] = mesh.faces[::7, ::-1]
    asset, _ = inspect_mesh(source(exported(mesh, tmp_path / "ball.ply")), tmp_path)
    assert is_closed(asset.parts[0].mesh)
    assert signed_volume(asset.parts[0].mesh) > 0


@pytest.mark.parametrize("inverted", [False, True])
def test_the_inner_wall_of_a_hollow_ball_stays_an_inner_wall(tmp_path, inverted):
    outer, inner = trimesh.creation.icosphere(2, 0.03), trimesh.creation.icosphere(2, 0.02)
    inner.invert()
    shell = trimesh.util.concatenate([outer, inner])
    expected = shell.volume
    if inverted:
        shell.invert()
    asset = load_mesh(source(exported(shell, tmp_path / "shell.stl")), tmp_path)
    assert signed_volume(asset.parts[0].mesh) == pytest.approx(expected, rel=1e-4)


def test_a_small_hole_is_closed_and_said(tmp_path):
    mesh = trimesh.creation.icosphere(4, 0.03)
    mesh.update_faces(np.arange(len(mesh.faces)) != 5)
    asset, notes = inspect_mesh(source(exported(mesh, tmp_path / "ball.stl")), tmp_path)
    assert is_closed(asset.parts[0].mesh)
    assert any("1 small holes closed" in note for note in notes)


def test_an_open_sheet_may_be_metal_but_not_glass(tmp_path):
    cup = trimesh.creation.cylinder(0.03, 0.08)
    cup.update_faces(cup.face_normals[:, 2] < 0.5)
    path = exported(cup, tmp_path / "cup.stl")
    with pytest.raises(AssetError, match=r"cup\.stl.*not a closed surface.*Solidify"):
        load_mesh(source(path), tmp_path)
    _, notes = inspect_mesh(source(path, kinds=OPAQUE), tmp_path)
    assert any("not a closed surface" in note for note in notes)


def test_bodies_of_a_scene_stay_parts_with_their_names(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.cylinder(0.02, 0.06), node_name="jar")
    lid = trimesh.creation.cylinder(0.021, 0.01).apply_translation((0, 0, 0.04))
    scene.add_geometry(lid, node_name="lid")
    scene.export(tmp_path / "jar.glb")
    asset = load_mesh(source(tmp_path / "jar.glb", kinds=["glass"]), tmp_path)
    assert {part.name for part in asset.parts} == {"jar", "lid"}
    assert {part.kinds for part in asset.parts} == {("glass",)}


def test_halves_of_one_body_are_joined_again(tmp_path):
    ball = trimesh.creation.icosphere(2, 0.03)
    upper = ball.triangles_center[:, 2] > 0
    scene = trimesh.Scene()
    for name, mine in (("upper", upper), ("lower", ~upper)):
        half = ball.copy()
        half.update_faces(mine)
        scene.add_geometry(half, node_name=name)
    scene.export(tmp_path / "ball.glb")
    asset = load_mesh(source(tmp_path / "ball.glb"), tmp_path)
    assert [is_closed(part.mesh) for part in asset.parts] == [True]


def test_uvs_survive_the_welding_of_their_seams(tmp_path):
    box = trimesh.creation.box((0.04, 0.04, 0.04))
    split = trimesh.Trimesh(
        box.triangles.reshape(-1, 3), np.arange(36).reshape(-1, 3), process=False
    )
    uv = np.random.Generator(np.random.PCG64(0)).random((36, 2)).astype(np.float32)
    split.visual = trimesh.visual.TextureVisuals(uv=uv)
    part = load_mesh(source(exported(split, tmp_path / "box.glb")), tmp_path).parts[0]
    assert len(part.mesh.vertices) == 8
    assert part.mesh.uv is not None
    assert np.allclose(np.sort(part.mesh.uv.reshape(-1, 2)[:, 0]), np.sort(uv[:, 0]), atol=1e-6)


def test_bad_files_are_refused_with_file_and_remedy(tmp_path):
    whole = exported(tub(), tmp_path / "whole.glb").read_bytes()
    (tmp_path / "empty.glb").write_bytes(b"")
    (tmp_path / "cut.glb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "tub.dae").write_bytes(whole)
    (tmp_path / "tub.fbx").write_bytes(whole)
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\n")
    (tmp_path / "nan.obj").write_text("v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    expected = {
        "gone.glb": "no such file",
        "empty.glb": "0 bytes",
        "cut.glb": "cannot be read",
        "tub.dae": "known kind",
        "tub.fbx": "Blender cannot read",
        "points.obj": "mesh",
        "nan.obj": "NaN",
    }
    for name, words in expected.items():
        with pytest.raises(AssetError, match=words) as caught:
            load_mesh(source(tmp_path / name), tmp_path)
        assert name in str(caught.value)


@pytest.mark.parametrize("edge", [300.0, 0.0002])
def test_sizes_that_cannot_be_metres_ask_for_size(tmp_path, edge):
    path = exported(trimesh.creation.box((edge, edge, edge)), tmp_path / "box.ply")
    with pytest.raises(AssetError, match="set `size`"):
        load_mesh(source(path), tmp_path)
    points = load_mesh(source(path, size=0.05), tmp_path).points()
    assert np.ptp(points[:, 2]) == pytest.approx(0.05)


def test_too_many_faces_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("transphy3d.assets.meshfile.MAX_FACES", 11)
    path = exported(trimesh.creation.box((0.1, 0.1, 0.1)), tmp_path / "box.stl")
    with pytest.raises(AssetError, match=r"12 triangles are more than 11; decimate"):
        load_mesh(source(path), tmp_path)


def test_the_hash_is_that_of_the_bytes(tmp_path):
    path = exported(tub(), tmp_path / "tub.stl")
    assert mesh_sha256(path) == sha256_file(path)


BLEND = """
import os, sys, bpy
out, marks = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.unit_settings.scale_length = 0.01
bpy.ops.mesh.primitive_cube_add(size=4)
shell = bpy.context.object
shell.name = "Shell"
shell.modifiers.new("bevel", "BEVEL").width = 0.2
bpy.ops.mesh.primitive_cube_add(size=90)
bpy.context.object.hide_render = True
text = bpy.data.texts.new("start.py")
text.use_module = True
text.write(f"open({marks!r} + '/text', 'w').close()")
driver = shell.driver_add("location", 0).driver
driver.type = "SCRIPTED"
driver.expression = f"len(str(open({marks!r} + '/driver', 'w')))"
bpy.ops.wm.save_as_mainfile(filepath=out)
os._exit(0)
"""
# What a user does who trusts the file.
OPEN = """
import os, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1], use_scripts=True)
bpy.context.view_layer.update()
os._exit(0)
"""


def run_blender(code, *arguments):
    subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, timeout=120
    )


@pytest.fixture
def armed(tmp_path):
    """A .blend that leaves marks in a folder when its text block or its driver runs."""
    marks, path = tmp_path / "marks", tmp_path / "shell.blend"
    marks.mkdir()
    run_blender(BLEND, path, marks)
    for mark in marks.iterdir():
        mark.unlink()
    return path, marks


def test_a_blend_gives_evaluated_meshes_in_metres_and_runs_nothing(armed, tmp_path):
    path, marks = armed
    asset = load_mesh(source(path), tmp_path / "cache")
    assert [part.name for part in asset.parts] == ["Shell"]
    assert np.allclose(np.ptp(asset.points(), axis=0), 0.04, atol=1e-6)
    assert len(asset.parts[0].mesh.faces) > 12
    assert list(marks.iterdir()) == []
    run_blender(OPEN, path)
    assert {mark.name for mark in marks.iterdir()} == {"text", "driver"}, "the file is harmless"


def test_a_damaged_blend_is_refused(tmp_path):
    (tmp_path / "bad.blend").write_bytes(b"BLENDER-v405" + bytes(100))
    with pytest.raises(AssetError, match=r"bad\.blend: Blender cannot read it"):
        load_mesh(source(tmp_path / "bad.blend"), tmp_path)
