"""Scenes draw from an asset bank what the job admits, and a changed bank never goes unnoticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bank_things import tumbler
from scenes_things import job, library

from transphy3d.assets.bank import AssetRecord, Bank, Imported, ImportedPart, Licence, Override
from transphy3d.assets.bank import StoredFile as Stored
from transphy3d.assets.geometry import Asset, Part
from transphy3d.assets.imported import IMPORT_VERSION, save_imported
from transphy3d.assets.selection import fingerprint, is_held_out, select
from transphy3d.config import Job
from transphy3d.errors import AssetError, JobError
from transphy3d.files import sha256_file
from transphy3d.job import identity
from transphy3d.pipeline import attributions
from transphy3d.preflight import preflight
from transphy3d.rng import Streams
from transphy3d.scenes.assembly import build_asset
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.spec import SceneSpec

CLEAR = ("transparent",)
STEEL = ("reflective", "opaque")


def filled(bank: Bank, name: str, steel: bool = False, **changes: object) -> AssetRecord:
    """An imported and accepted tumbler, of glass or of steel."""
    mesh = tumbler(24)
    kinds, optical = (("metal",), STEEL) if steel else (("glass", "plastic"), CLEAR)
    part = Part("body", mesh, kinds, optical)  # type: ignore[arg-type]
    path = bank.imported(name)
    save_imported(Asset(name, "vase", (part,), (mesh.vertices,), wall=0.002), path)
    imported = Imported(
        file=Stored(path=f"imported/{name}.npz", bytes=1, sha256=sha256_file(path)),
        size=(0.07, 0.07, 0.11),
        parts=(
            ImportedPart(
                name="body",
                material="glass",
                kinds=kinds,  # type: ignore[arg-type]
                optical=optical,  # type: ignore[arg-type]
                faces=len(mesh.faces),
                closed=True,
            ),
        ),
        hulls=1,
        fit=1.0,
        hollow=False,
        method="hull",
        notes=(),
        source_sha256="",
        version=IMPORT_VERSION,
    )
    record = AssetRecord(
        id=name,
        source="local",
        source_id=name,
        name=name,
        category="vase",
        licence=Licence(name="cc_by", author="Ada", attribution=f"{name} by Ada, CC BY 4.0"),
        override=Override(ruling="accepted", optical="transparent"),
        imported=imported,
    )
    record = replace(record, **changes)  # type: ignore[arg-type]
    bank.write(record)
    return record


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    found = Bank(tmp_path / "bank")
    for number in range(8):
        filled(found, f"vase-{number}", steel=number >= 6)
    return found


def bank_job(bank: Bank, objects: dict[str, object] | None = None, **keys: object) -> Job:
    """A job that draws from the bank alone; `keys` are of objects.bank."""
    base = {"count": (3, 3), "segments": 24, "sources": {"bank": 1}}
    section = {"folder": str(bank.root), **keys}
    return job(objects={**base, "bank": section, **(objects or {})})


def scene(of: Job, index: int = 0) -> SceneSpec:
    return sample_scene(of, Streams(of.seed, index), library(), Path("unused"))


def drawn(of: Job, scenes: int = 12) -> set[str]:
    """Ids that some scenes of a job draw."""
    return {item.asset.name for k in range(scenes) for item in scene(of, k).objects}


def test_objects_come_from_the_bank_with_id_and_content(bank: Bank) -> None:
    for item in scene(bank_job(bank)).objects:
        assert item.asset.source == "bank"
        record = bank.read(item.asset.name)
        assert record.imported
        assert item.asset.sha256 == record.imported.file.sha256


def test_sources_are_mixed_by_weight(bank: Bank) -> None:
    mixed = bank_job(bank, {"sources": {"procedural": 3, "bank": 1}, "count": (20, 20)})
    sources = [item.asset.source for k in range(6) for item in scene(mixed, k).objects]
    assert sources.count("bank") / len(sources) == pytest.approx(0.25, abs=0.12)


def test_adding_a_bank_moves_no_procedural_object(bank: Bank) -> None:
    plain = job(objects={"count": (6, 6), "segments": 24})
    mixed = bank_job(bank, {"sources": {"procedural": 1, "bank": 1}, "count": (6, 6)})
    pairs = zip(scene(plain).objects, scene(mixed).objects, strict=True)
    kept = [one == other for one, other in pairs if other.asset.source == "procedural"]
    assert kept
    assert all(one == two for one, two in zip(kept, [True] * len(kept), strict=True))


def test_only_assets_of_the_wanted_optical_classes_are_drawn(bank: Bank) -> None:
    assert drawn(bank_job(bank, {"optical": {"reflective": 1}})) <= {"vase-6", "vase-7"}
    assert drawn(bank_job(bank, {"optical": {"transparent": 1}})).isdisjoint({"vase-6", "vase-7"})


def test_assets_and_categories_are_chosen_by_pattern(bank: Bank) -> None:
    filled(bank, "jar-1", category="jar")
    assert drawn(bank_job(bank, categories={"include": ["jar"]})) == {"jar-1"}
    chosen = {"include": ["vase-[0-3]"], "exclude": ["vase-2"]}
    assert {a.id for a in select(bank_job(bank, assets=chosen).objects.bank)} == {
        "vase-0",
        "vase-1",
        "vase-3",
    }


def test_train_and_test_share_no_asset_and_make_up_all(bank: Bank) -> None:
    ids = {
        split: {a.id for a in select(bank_job(bank, held_out=0.5, split=split).objects.bank)}
        for split in ("train", "test", "all")
    }
    assert ids["train"].isdisjoint(ids["test"])
    assert ids["train"] | ids["test"] == ids["all"]


def test_about_the_share_asked_for_is_held_out_whatever_else_is_in_the_bank() -> None:
    held = [is_held_out(f"asset-{number}", 0.2) for number in range(2000)]
    assert np.mean(held) == pytest.approx(0.2, abs=0.03)


def test_refused_unaccepted_and_foreign_licences_stay_out(bank: Bank) -> None:
    filled(bank, "refused", refused="broken")
    filled(bank, "unjudged", override=None)
    filled(bank, "unknown", licence=Licence(name="unknown"))
    ids = {asset.id for asset in select(bank_job(bank).objects.bank)}
    assert ids.isdisjoint({"refused", "unjudged", "unknown"})


def test_nothing_left_says_which_condition_left_nothing(bank: Bank) -> None:
    with pytest.raises(JobError, match=r"8 accepted, then 0 of these licences"):
        select(bank_job(bank, licences=["cc_zero"]).objects.bank)


def test_a_misspelt_category_is_answered_with_the_nearest(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"objects\.bank\.categories.*did you mean 'vase'"):
        preflight(bank_job(bank, categories={"include": ["vaze"]}), tmp_path)


def test_a_folder_that_is_no_bank_is_named(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"objects\.bank\.folder.*is no asset bank"):
        scene(bank_job(Bank(tmp_path / "nothing")))


def test_the_identity_of_a_job_follows_the_assets_that_it_draws_from(bank: Bank) -> None:
    narrow = bank_job(bank, assets={"include": ["vase-0", "vase-1"]})
    before = identity(narrow)
    filled(bank, "vase-9")
    assert identity(narrow) == before
    assert identity(bank_job(bank)) != identity(bank_job(bank, assets={"exclude": ["vase-9"]}))
    record = bank.read("vase-0")
    assert record.imported
    changed = replace(record.imported.file, sha256="0" * 64)
    bank.write(replace(record, imported=replace(record.imported, file=changed)))
    assert identity(narrow) != before


def test_the_fingerprint_is_of_content_and_not_of_the_place(bank: Bank, tmp_path: Path) -> None:
    moved = bank.root.rename(tmp_path / "elsewhere")
    here, there = bank_job(Bank(moved)), bank_job(Bank(moved), licences=["cc_by"])
    assert fingerprint(here.objects.bank) == fingerprint(there.objects.bank)


def test_an_asset_that_changed_since_it_was_drawn_is_an_error(bank: Bank) -> None:
    ref = scene(bank_job(bank)).objects[0].asset
    assert ref.path
    Path(ref.path).write_bytes(b"something else")
    with pytest.raises(AssetError, match="changed since the scene was sampled"):
        build_asset(ref, 24, bank.root)


def test_every_drawn_asset_is_attributed_once(bank: Bank) -> None:
    of = bank_job(bank)
    spec = scene(of)
    owed = attributions(of, spec)
    assert [item.asset for item in owed] == sorted({o.asset.name for o in spec.objects})
    assert owed[0].attribution == f"{owed[0].asset} by Ada, CC BY 4.0"


def test_a_blend_is_not_kept_where_it_would_hold_a_mesh_that_must_not_be_passed_on(
    bank: Bank, tmp_path: Path
) -> None:
    keeping = bank_job(bank).model_dump() | {"run": {"keep_blend": True}}
    preflight(Job.model_validate(keeping), tmp_path)
    filled(bank, "vase-1", licence=Licence(name="royalty_free"))
    with pytest.raises(JobError, match=r"run\.keep_blend.*'vase-1'"):
        preflight(Job.model_validate(keeping), tmp_path)


def test_assets_that_were_imported_as_another_class_than_they_are_judged_are_told(
    bank: Bank, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for record in list(bank.records()):
        assert record.imported
        bank.write(replace(record, imported=replace(record.imported, judged="transparent")))
    preflight(bank_job(bank), tmp_path)
    assert not caplog.messages
    steel = Override(ruling="accepted", optical="reflective")
    bank.write(replace(bank.read("vase-1"), override=steel))
    preflight(bank_job(bank), tmp_path)
    (said,) = caplog.messages
    assert "1 of its assets, as vase-1, were imported as another class" in said


def test_classes_are_drawn_by_the_jobs_weights_however_many_assets_have_them(bank: Bank) -> None:
    even = bank_job(bank, {"optical": {"transparent": 1, "reflective": 1}, "count": (20, 20)})
    names = [item.asset.name for k in range(6) for item in scene(even, k).objects]
    steel = sum(name in {"vase-6", "vase-7"} for name in names)
    assert steel / len(names) == pytest.approx(0.5, abs=0.15)
