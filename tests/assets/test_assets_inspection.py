"""Files of strangers are described within limits, or refused in words."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from command_line import run_cli

from transphy3d.assets import inspection
from transphy3d.assets.bank import AssetRecord, Bank, Licence, StoredFile
from transphy3d.assets.inspecting import inspect_bank, judge_bank, pending
from transphy3d.assets.inspection import graph_signal, inspect, inspect_asset
from transphy3d.assets.material_report import Inspection, Looks, MaterialReport
from transphy3d.config import AcceptConfig
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file
from transphy3d.progress import LineProgress

GLASS_MTL = "newmtl glass\nKd 1 1 1\nd 0.2\nillum 2\n"
WOOD_MTL = "newmtl wood\nKd 0.4 0.2 0.1\nd 1\nillum 1\n"


def box(folder: Path, mtl: str = GLASS_MTL, name: str = "box.obj") -> Path:
    """A box of one material, as .obj with .mtl."""
    folder.mkdir(parents=True, exist_ok=True)
    mesh = trimesh.creation.box((0.1, 0.1, 0.1))
    lines = [f"v {x} {y} {z}" for x, y, z in mesh.vertices]
    lines += [f"usemtl {mtl.split()[1]}"]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in mesh.faces]
    (folder / "box.mtl").write_text(mtl)
    (folder / name).write_text("mtllib box.mtl\n" + "\n".join(lines) + "\n")
    return folder / name


def record(bank: Bank, path: Path, name: str) -> AssetRecord:
    """A fetched asset of the bank, one plain file."""
    asset = AssetRecord(
        id=f"local-{path.stem}",
        source="local",
        source_id=path.stem,
        name=name,
        licence=Licence(name="own"),
        file=StoredFile(
            path=path.relative_to(bank.root).as_posix(),
            bytes=path.stat().st_size,
            sha256=sha256_file(path),
        ),
    )
    bank.write(asset)
    return asset


def test_a_file_is_described_by_its_materials(tmp_path):
    found = inspect(box(tmp_path))
    assert (found.objects, found.faces) == (("box",), 12)
    assert [(part.name, part.looks.clear) for part in found.materials] == [("glass", 1.0)]
    assert found.materials[0].lobes["thin"] == pytest.approx(0.8, abs=1e-3)


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(AssetError, match=r"gone\.obj: no such file; fetch the asset again"):
        inspect(tmp_path / "gone.obj")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.blend", b"", "0 bytes"),
        ("bad.blend", b"BLENDER-v405" + bytes(100), "cannot describe it"),
        ("cut.glb", b"glTF" + struct.pack("<II", 2, 900), "ends within its header"),
        ("odd.xyz", b"0 0 0", "no kind of mesh file"),
        ("text.fbx", b"; FBX 7.3.0 project file", "ASCII FBX"),
        ("points.obj", b"v 0 0 0\nv 1 0 0\n", "cannot describe it"),
    ],
)
def test_a_bad_file_is_refused_in_words(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AssetError, match=words) as refused:
        inspect(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value)


def gltf(path: Path, **changes: object) -> Path:
    """A .gltf file with one triangle and the given top-level keys."""
    files = trimesh.exchange.gltf.export_gltf(trimesh.Scene(trimesh.creation.box()))
    for name, data in files.items():
        (path.parent / name).write_bytes(data)
    content = json.loads((path.parent / "model.gltf").read_text()) | changes
    path.write_text(json.dumps(content))
    return path


def test_a_gltf_file_may_not_name_files_outside_its_folder(tmp_path):
    (tmp_path / "asset").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(1000))
    for uri in ("../secret.bin", str(tmp_path / "secret.bin"), "file:///dev/zero", "%2e%2e/x.bin"):
        path = gltf(tmp_path / "asset/a.gltf", buffers=[{"uri": uri, "byteLength": 1000}])
        with pytest.raises(AssetError, match="lies outside its folder"):
            inspect(path)


def test_a_gltf_file_with_too_many_values_is_refused_before_it_is_unpacked(tmp_path):
    accessor = {"componentType": 5126, "count": 10**9, "type": "VEC3"}
    with pytest.raises(AssetError, match="1000000000 values are more than"):
        inspect(gltf(tmp_path / "a.gltf", accessors=[accessor]))


def png_header(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that declares any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_texture_bomb_is_refused(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_header(60_000, 60_000))
    path = box(tmp_path, GLASS_MTL + "map_d bomb.png\n")
    with pytest.raises(AssetError, match=r"'bomb.png' is 60000 x 60000, more than \d+ pixels"):
        inspect(path)


def test_a_file_that_takes_too_long_is_given_up(tmp_path):
    with pytest.raises(AssetError, match=r"took more than 0 s to read it; apply its modifiers"):
        inspect(box(tmp_path), timeout=0.1)


def test_vertices_that_are_no_numbers_are_named(tmp_path):
    code = (
        "import bpy, sys\n"
        "bpy.ops.wm.read_factory_settings(use_empty=True)\n"
        "bpy.ops.mesh.primitive_cube_add()\n"
        "bpy.context.object.data.vertices[0].co.x = float('nan')\n"
        "bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1])\n"
    )
    path = tmp_path / "nan.blend"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)
    with pytest.raises(AssetError, match=r"1 vertices of 'Cube' are NaN or infinite"):
        inspect(path)


def test_an_answer_is_kept_until_it_is_asked_for_again(tmp_path, monkeypatch):
    bank = Bank(tmp_path)
    asset = record(bank, box(tmp_path / "downloads"), "Box")
    first = inspect_asset(bank, asset)
    monkeypatch.setattr(inspection, "inspect", lambda _: pytest.fail("asked again"))
    assert inspect_asset(bank, asset) == first
    monkeypatch.setattr(inspection, "inspect", lambda _: replace(first, faces=7))
    assert inspect_asset(bank, asset, again=True).faces == 7
    assert inspect_asset(bank, asset).faces == 7


def described(suffix: str = ".blend", material: str = "skin", **looks: float) -> Inspection:
    report = MaterialReport(
        name=material,
        area=1.0,
        lobes={},
        roughness=0.0,
        color=(1.0, 1.0, 1.0),
        looks=Looks(**looks),
    )
    return Inspection(version=1, objects=("a",), faces=1, materials=(report,), looks=Looks(**looks))


def test_gloss_counts_less_than_a_mirror_and_frost_less_than_clearness():
    assert graph_signal(described(mirror=0.8), ".blend").reflective == 0.8
    assert graph_signal(described(glossy=0.8), ".blend").reflective < 0.4
    assert graph_signal(described(clear=0.6), ".blend").transparent == 0.6
    assert graph_signal(described(frosted=0.6), ".blend").transparent == 0.3


def test_gloss_alone_never_decides():
    least = AcceptConfig().decisive_area
    assert graph_signal(described(glossy=1.0), ".blend").reflective < least


def test_formats_that_cannot_name_a_material_say_so_by_their_mass():
    masses = [graph_signal(described(), suffix).mass for suffix in (".glb", ".obj", ".stl")]
    assert masses == [1.0, 0.5, 0.0]
    assert graph_signal(described(material=""), ".blend").mass == 0.0


def test_reasons_name_the_share_and_the_material():
    signal = graph_signal(described(clear=0.25, mirror=0.5), ".blend")
    assert signal.reasons == (
        "25% of the surface can be seen through (most of it 'skin')",
        "50% of the surface is polished metal (most of it 'skin')",
    )


@pytest.fixture
def bank(tmp_path):
    """A glass, a wooden block and a file that is damaged."""
    bank = Bank(tmp_path / "bank")
    record(bank, box(bank.downloads / "a", GLASS_MTL, "glass.obj"), "Wine glass")
    record(bank, box(bank.downloads / "b", WOOD_MTL, "block.obj"), "Building block")
    broken = bank.downloads / "broken.blend"
    broken.write_bytes(b"BLENDER-v405" + bytes(100))
    record(bank, broken, "Fork")
    return bank


def silent() -> LineProgress:
    return LineProgress(io.StringIO(), as_json=True, unit="asset")


def test_a_bad_asset_is_refused_and_stops_no_others(bank):
    tally = inspect_bank(bank, pending(bank, (), False), 2, False, silent())
    assert tally.outcomes == {"inspected": 2, "refused": 1}
    assert "cannot describe it" in bank.read("local-broken").refused
    judged = judge_bank(bank, (), AcceptConfig())
    assert judged.outcomes == {
        "accepted transparent": 1,
        "rejected opaque": 1,
        "unjudged": 1,
    }
    glass = bank.read("local-glass")
    assert glass.accepted
    assert glass.optical == "transparent"
    assert [reason.split(":")[0] for reason in glass.verdict.reasons] == [
        "The material graph votes transparent (1.00)",
        "The lexicon votes transparent (0.90)",
    ]


def test_what_is_inspected_is_not_inspected_again(bank):
    inspect_bank(bank, pending(bank, (), False), 1, False, silent())
    assert pending(bank, (), False) == []
    assert [asset.id for asset in pending(bank, ["local-broken"], False)] == ["local-broken"]
    assert len(pending(bank, (), True)) == 3


def test_the_commands_inspect_and_judge_a_bank(bank, tmp_path):
    said = run_cli("assets", "inspect", "--bank", bank.root, "--progress", "json", "--workers", "2")
    assert said.returncode == 0, said.stderr
    assert {"inspected    2", "refused      1"} <= set(said.stdout.splitlines())
    said = run_cli("assets", "judge", "--bank", bank.root)
    assert "accepted transparent 1" in said.stdout
    job = tmp_path / "job.yaml"
    strict = "objects: {bank: {accept: {decisive_area: 1, area: 1, word: 1, decisive_word: 1}}}"
    job.write_text(f"base: smoke.yaml\nname: strict\n{strict}\n")
    wood = Path(bank.record_file("local-block")).read_text()
    said = run_cli("assets", "judge", "--bank", bank.root, "--job", job)
    assert "accepted transparent 1" in said.stdout
    assert Path(bank.record_file("local-block")).read_text() == wood
    assert np.isclose(bank.read("local-glass").verdict.score, 1.0)
