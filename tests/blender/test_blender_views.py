"""Views of assets: glass shows the floor behind it, and a bad file costs no other its pictures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from transphy3d.assets import views
from transphy3d.assets.bank import AssetRecord, Bank, Licence
from transphy3d.assets.store import keep, receiving
from transphy3d.errors import AssetError

# A sphere far from the origin, beside a lamp and a camera that must not matter.
MAKE = """
import sys, bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_uv_sphere_add(radius=0.05, location=(3, 2, 1), segments=48, ring_count=24)
bpy.ops.object.shade_smooth()
material = bpy.data.materials.new(sys.argv[1])
material.use_nodes = True
surface = material.node_tree.nodes["Principled BSDF"].inputs
surface["Roughness"].default_value = 0.0
surface["Transmission Weight"].default_value = float(sys.argv[1] == "glass")
surface["Metallic"].default_value = float(sys.argv[1] == "metal")
surface["Base Color"].default_value = (1, 1, 1, 1)
bpy.context.object.data.materials.append(material)
bpy.ops.object.light_add(type="POINT", location=(3, 2, 2))
bpy.context.object.data.energy = 1e6
bpy.ops.object.camera_add(location=(0, 0, 0))
bpy.context.scene.render.resolution_x = 10_000
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[2])
"""


def add(bank, name, fill):
    with receiving(bank, f"{name}.blend") as scratch:
        fill(scratch)
        file = keep(bank, scratch, ".blend")
    asset = AssetRecord(
        id=f"own-{name}",
        source="own",
        source_id=name,
        name=name,
        licence=Licence(name="own"),
        file=file,
    )
    bank.write(asset)
    return asset


def sphere(bank, name):
    command = [sys.executable, "-c", MAKE, name]
    return add(
        bank,
        name,
        lambda path: subprocess.run([*command, str(path)], check=True, stdout=subprocess.DEVNULL),
    )


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(views, "EDGE", 72)
    monkeypatch.setattr(views, "SAMPLES", 6)


def pixels(bank, asset, view):
    with Image.open(bank.file(asset.views[view])) as picture:
        return np.asarray(picture, np.float64)


def test_views_show_the_object_whole_and_as_its_material_says(tmp_path, small):
    bank = Bank(tmp_path)
    glass, metal = sphere(bank, "glass"), sphere(bank, "metal")
    broken = add(bank, "broken", lambda path: path.write_bytes(b"BLENDER no more"))
    unfetched = replace(glass, id="own-unfetched", file=None)
    done = list(views.render_all(bank, [glass, broken, unfetched, metal]))

    assert [type(item) for item in done] == [AssetRecord, AssetError, AssetError, AssetRecord]
    assert "own-broken: cannot be shown" in str(done[1])
    assert "has no file yet" in str(done[2])
    assert [len(done[k].views) for k in (0, 3)] == [4, 4]
    for view in range(4):
        clear, mirror = pixels(bank, done[0], view), pixels(bank, done[3], view)
        assert clear.shape == (72, 72, 3)
        assert 60 < clear.mean() < 230
        # The surroundings are the same; what differs is the object, in the middle, uncut.
        differs = np.abs(clear - mirror).max(axis=2) > 40
        assert differs[20:52, 20:52].mean() > 0.3
        assert differs[:4].mean() < 0.05 and differs[:, :4].mean() < 0.05


# Stands for Blender: crashes on one file, and shows the others.
CRASHING = """#!{python}
import json, os, pathlib, sys
request = json.loads(pathlib.Path(sys.argv[3]).read_text())
for number, item in enumerate(request["items"]):
    if b"crash" in pathlib.Path(item["path"]).read_bytes():
        os.abort()
    for view in range(4):
        (pathlib.Path(item["folder"]) / f"{{view}}.png").write_bytes(b"picture")
    with open(request["log"], "a") as log:
        log.write(json.dumps({{"item": number, "error": ""}}) + "\\n")
"""


def test_a_crash_costs_no_other_asset_its_pictures(tmp_path, monkeypatch):
    stand_in = tmp_path / "blender"
    stand_in.write_text(CRASHING.format(python=sys.executable))
    stand_in.chmod(0o755)
    bank = Bank(tmp_path / "bank")
    assets = [
        add(bank, name, lambda path, name=name: path.write_text(name))
        for name in ("a", "b-crash", "c", "d-crash")
    ]
    monkeypatch.setattr(sys, "executable", str(stand_in))
    done = list(views.render_all(bank, assets))
    assert [type(item) for item in done] == [AssetRecord, AssetError] * 2
    assert "own-b-crash: cannot be shown (Blender crashed" in str(done[1])
    assert bank.file(done[2].views[3]).read_bytes() == b"picture"


def test_a_process_that_hangs_is_stopped(tmp_path, small, monkeypatch):
    monkeypatch.setattr(views, "TIMEOUT", 0.0)
    bank = Bank(tmp_path)
    (error,) = views.render_all(bank, [add(bank, "a", lambda path: path.write_bytes(b"x"))])
    assert isinstance(error, AssetError) and "took more than" in str(error)
