"""The built-in records are sound, samples repeat, and wrong YAML is told where and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transphy3d.errors import AssetError, JobError
from transphy3d.jsonio import from_json, to_json
from transphy3d.materials.library import Library, load_library
from transphy3d.materials.optics import conductor_f0
from transphy3d.materials.records import ConductorRecord, DielectricRecord, Record
from transphy3d.materials.spec import Material
from transphy3d.materials.table import updated

LIBRARY = load_library()
NAMES = LIBRARY.names()
GOOD = """
- name: glass_test
  kind: glass
  optical_class: transparent
  model: dielectric
  ior: [1.5, 1.6]
  abbe: 60
  density: 2500
  source: a test
"""


def user_library(folder: Path, *texts: str) -> Library:
    for index, text in enumerate(texts):
        (folder / f"{index}.yaml").write_text(text)
    return load_library(str(folder))


def sample(name: str, seed: int = 0) -> Material:
    return LIBRARY[name].sample(np.random.default_rng(seed))


@pytest.fixture(params=NAMES)
def record(request: pytest.FixtureRequest) -> Record:
    return LIBRARY[request.param]


def test_every_kind_and_class_that_objects_need_is_there() -> None:
    for kind in ("glass", "plastic", "metal", "ceramic"):
        assert len(LIBRARY.select([kind])) >= 8
    assert len(LIBRARY.select(["liquid"], "transparent")) >= 10
    assert len(LIBRARY.select(["surface"])) >= 16
    for optical_class in ("transparent", "reflective", "opaque"):
        assert len(LIBRARY.select(["glass", "plastic", "metal", "ceramic"], optical_class)) >= 8


def test_a_sample_is_fixed_by_its_generator(record: Record) -> None:
    first, again = (record.sample(np.random.default_rng(5)) for _ in range(2))
    assert first == again


def test_a_sample_goes_to_json_and_back(record: Record) -> None:
    made = record.sample(np.random.default_rng(1))
    assert from_json(Material, to_json(made)) == made


def test_a_sample_is_physical(record: Record) -> None:
    for seed in range(8):
        made = record.sample(np.random.default_rng(seed))
        assert 1.3 <= made.ior <= 2.5
        assert 300 <= made.density <= 19_500
        assert made.kind == "liquid" or 0.2 <= made.friction <= 1.0
        assert max(made.base_color) <= 1.0
        assert made.texture is None or all(max(c) <= 1.0 for c in made.texture.colors)


def test_ranges_are_used(record: Record) -> None:
    drawn = {record.sample(np.random.default_rng(seed)).density for seed in range(8)}
    low, high = record.density
    assert all(low <= density <= high for density in drawn)
    assert len(drawn) == (1 if low == high else 8)


def test_metals_reflect_most_but_never_all_light() -> None:
    metals = [record for record in LIBRARY.records if isinstance(record, ConductorRecord)]
    for record in metals:
        f0 = conductor_f0(record.conductor_ior, record.conductor_extinction)
        assert (f0 > 0.39).all(), record.name
        assert (f0 < 1).all(), record.name


def test_clear_materials_bend_blue_light_more_than_red() -> None:
    dispersive = [r for r in LIBRARY.records if isinstance(r, DielectricRecord) and r.dispersive]
    assert len(dispersive) >= 3
    for record in dispersive:
        red, green, blue = sample(record.name).ior_rgb or (0, 0, 0)
        assert red < green < blue


def test_concentration_scales_absorption() -> None:
    strong = [sample("liquid_red_wine", seed) for seed in range(4)]
    ratios = [made.absorption[1] / made.absorption[0] for made in strong]
    assert ratios == pytest.approx([252 / 116] * 4)
    assert len({made.absorption for made in strong}) == 4


def test_selection_takes_patterns_kinds_and_classes() -> None:
    chosen = LIBRARY.select(["glass"], "transparent", ["glass_f*"], ["*tinted*"])
    assert [r.name for r in chosen] == ["glass_flint_f2", "glass_flint_sf10", "glass_frosted"]


def test_a_pattern_that_fits_nothing_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(JobError, match=r"'glass_cobolt_blue'.*did you mean 'glass_cobalt_blue'"):
        LIBRARY.select(["glass"], exclude=["glass_cobolt_blue"])
    with pytest.raises(JobError, match="did you mean 'liquid_water'"):
        LIBRARY["liquid_watr"]


def test_a_users_folder_adds_records_and_changes_the_hash(tmp_path: Path) -> None:
    library = user_library(tmp_path, GOOD)
    assert library["glass_test"].density == (2500, 2500)
    assert len(library.records) == len(LIBRARY.records) + 1
    assert library.sha256 != LIBRARY.sha256
    assert load_library().sha256 == LIBRARY.sha256


def test_the_hash_follows_content_not_layout(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    same = "# a remark\n" + GOOD.replace("[1.5, 1.6]", "[1.50, 1.60]")
    other = GOOD.replace("1.6]", "1.61]")
    assert user_library(one, GOOD).sha256 == user_library(two, same).sha256
    assert user_library(one, GOOD).sha256 != user_library(two, other).sha256


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("abbe", "abe", ["abe: unknown key", "did you mean 'abbe'", "abbe: missing"]),
        ("[1.5, 1.6]", "[1.6, 1.5]", ["ior: low end 1.6 is above high end 1.5"]),
        ("[1.5, 1.6]", "[1.5, 9]", ["ior.1: 9 is not allowed", "less than or equal to 3"]),
        ("2500", "heavy", ["density", "'heavy' is not allowed"]),
        ("kind: glass", "kind: wax", ["kind: 'wax' is not allowed", "'glass'"]),
        ("dielectric", "magic", ["model is 'magic'", "conductor"]),
        ("source: a test", "judged: [colour]\n  source: a test", ["judged: 'colour'"]),
        ("source: a test", "base_color: [1, 1, 1]\n  source: a test", ["base_color: unknown"]),
        ("  source: a test\n", "", ["source: missing"]),
        ("glass_test", "Glass Test", ["name: 'Glass Test' is not allowed"]),
    ],
)
def test_a_wrong_record_is_told_file_record_field_and_remedy(
    tmp_path: Path, old: str, new: str, words: list[str]
) -> None:
    with pytest.raises(AssetError) as caught:
        user_library(tmp_path, GOOD.replace(old, new))
    message = str(caught.value)
    for word in (str(tmp_path / "0.yaml"), "record", *words):
        assert word in message


def test_a_texture_without_colours_is_refused(tmp_path: Path) -> None:
    opaque = GOOD.replace("dielectric", "principled").replace("  abbe: 60\n", "")
    with pytest.raises(AssetError, match="texture: a wood texture needs palettes"):
        user_library(tmp_path, opaque + "  texture: {kind: wood, scale: 0.1}\n")


def test_a_name_used_twice_names_both_files(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"1\.yaml: material 'glass_test' is already in .*0\.yaml"):
        user_library(tmp_path, GOOD, GOOD)


def test_a_file_that_is_no_list_of_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="write a list of records"):
        user_library(tmp_path, "name: x")
    with pytest.raises(AssetError, match="cannot be read as YAML"):
        user_library(tmp_path, "- [")


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"materials\.folder: .* is not a folder"):
        load_library(str(tmp_path / "nowhere"))
    with pytest.raises(JobError, match=r"materials\.folder: .* holds no \.yaml"):
        load_library(str(tmp_path))


def test_the_page_lists_the_records_as_they_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "materials.md"
    text = page.read_text(encoding="utf-8")
    assert updated(text, LIBRARY) == text, "run python -m transphy3d.materials.table"
