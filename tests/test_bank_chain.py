"""From a search on a server to a rendered and verified scene, by the commands that users call."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from bank_things import GLASS, STEEL, cylinder, tumbler, write_obj
from blendkit_server import KEY, Model, serving
from command_line import run_cli

from transphy3d.assets.bank import Bank
from transphy3d.shards.reader import open_dataset

TO_BLEND = """
import sys
import bpy

source, target = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.obj_import(filepath=source)
bpy.ops.wm.save_as_mainfile(filepath=target, compress=True)
"""
JOB = """
base: smoke.yaml
name: chain
sequences: 1
objects:
  count: [2, 2]
  sources: {bank: 1}
  bank: {folder: BANK}
supports: {kinds: {table: 1}}
"""


def blend_of_a_jar(folder: Path) -> bytes:
    """A .blend of a glass with a steel lid."""
    lid = cylinder(0.02, 0.01, (0.0, 0.0, 0.1104))
    path = write_obj(folder / "jar.obj", [(GLASS, tumbler()), (STEEL, lid)])
    target = folder / "jar.blend"
    command = [sys.executable, "-c", TO_BLEND, str(path), str(target)]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return target.read_bytes()


def escaping_zip() -> bytes:
    """An archive whose mesh would land outside its folder."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../../escaped.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    return stream.getvalue()


def done(*arguments: str | Path) -> str:
    """What a command that must succeed prints."""
    said = run_cli(*arguments)
    assert said.returncode == 0, said.stderr + said.stdout
    return said.stdout


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPHY3D_BLENDERKIT_KEY", KEY)


@pytest.mark.usefixtures("account")
def test_a_searched_model_ends_up_in_a_verified_scene_with_its_author(tmp_path: Path) -> None:
    bank, out = Bank(tmp_path / "bank"), tmp_path / "run"
    jar = Model(1, name="Glass jar", files={"blend": blend_of_a_jar(tmp_path)})
    broken = Model(2, name="Wine glass", files={"blend": b"BLENDER-v405" + b"no file" * 99})
    escaping = Model(3, name="Crystal vase", files={"zip_file": escaping_zip()})
    with serving([jar, broken, escaping]) as blendkit:
        place = ("--bank", bank.root, "--progress", "plain")
        done("assets", "search", *place, "--server", blendkit.url)
        done("assets", "fetch", *place, "--server", blendkit.url)
    done("assets", "inspect", *place)
    done("assets", "judge", "--bank", bank.root)
    done("assets", "import", *place)
    (used,) = [asset for asset in bank.records() if asset.imported]
    assert used.name == "Glass jar"
    (vase,) = [asset for asset in bank.records() if asset.name == "Crystal vase"]
    assert vase.refused
    assert not list(tmp_path.rglob("escaped*"))
    assert "no faults" in done("assets", "check", "--bank", bank.root)
    assert used.accepted
    assert used.optical == "transparent"
    job = tmp_path / "chain.yaml"
    job.write_text(JOB.replace("BANK", str(bank.root)))
    done("render", job, "--out", out, "--progress", "plain")
    assert "no faults" in done("verify", out)
    check_what_is_published(out, used.id)


def check_what_is_published(out: Path, asset: str) -> None:
    """The author is named everywhere, and no mesh lies anywhere."""
    (sequence,) = open_dataset(out / "shards")
    assert {row.asset for row in sequence.objects} == {asset}
    assert {row.source for row in sequence.objects} == {"bank"}
    assert {row.part for row in sequence.objects} >= {"body", "steel"}
    (owed,) = sequence.attributions
    assert (owed.author, owed.licence) == ("Ada Maker", "royalty_free")
    assert "Ada Maker" in (out / "preview" / "report.html").read_text()
    (line,) = json.loads(done("info", out, "--json"))["attributions"]
    assert "Ada Maker" in line
    meshes = [path for path in out.rglob("*") if path.suffix in (".npz", ".blend", ".obj", ".glb")]
    assert meshes == []
