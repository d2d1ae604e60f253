from __future__ import annotations

import pytest
from scenes_things import job, library, scene

from transphy3d.errors import AssetError, JobError
from transphy3d.jsonio import from_json, to_json
from transphy3d.rng import Streams
from transphy3d.scenes.palette import Palette
from transphy3d.scenes.sample import sample_scene
from transphy3d.scenes.spec import SceneSpec


def test_a_scene_depends_on_its_index_alone_and_not_on_the_order_of_sampling():
    forwards = [to_json(scene(job(), index)) for index in (0, 1, 2)]
    backwards = [to_json(scene(job(), index)) for index in (2, 1, 0)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 3


def test_json_gives_the_very_same_scene_back():
    spec = scene(job())
    assert from_json(SceneSpec, to_json(spec)) == spec


def test_another_attempt_is_another_scene():
    assert scene(job(), attempt=0).objects != scene(job(), attempt=1).objects


def test_seed_zero_is_a_seed_like_others():
    assert scene(job(seed=0)) == scene(job(seed=0))
    assert scene(job(seed=0)).objects != scene(job(seed=1)).objects


def test_camera_room_and_light_settings_move_no_object():
    plain = scene(job())
    changed = scene(
        job(
            camera={"fov": (70, 80)},
            rooms={"kinds": {"open": 1}},
            lights={"rigs": {"studio": 1}, "strength": (2, 3)},
        )
    )
    assert changed.objects == plain.objects
    assert changed.support == plain.support


def test_more_objects_leave_the_first_ones_as_they_were():
    few = scene(job(objects={"count": (2, 2), "segments": 24}))
    many = scene(job(objects={"count": (5, 5), "segments": 24}))
    assert many.objects[:2] == few.objects


def test_liquids_change_nothing_but_liquids():
    def dry(filled: float) -> list[object]:
        spec = scene(job(objects={"count": (6, 6), "segments": 24, "filled": filled}))
        return [(item.asset, item.materials, item.rotation, item.scale) for item in spec.objects]

    assert dry(0.0) == dry(1.0)


def test_only_standing_transparent_vessels_hold_liquids():
    wet = job(objects={"count": (12, 12), "segments": 24, "filled": 1.0, "upright": 0.7})
    objects = scene(wet).objects
    filled = [item for item in objects if item.liquid is not None]
    assert filled
    for item in filled:
        assert item.upright
        assert next(iter(item.materials.values())).optical_class == "transparent"
        assert item.liquid is not None and item.liquid.material.kind == "liquid"


@pytest.mark.parametrize("optical", ["transparent", "reflective", "opaque"])
def test_bodies_have_an_optical_class_that_the_job_weighs(optical: str):
    spec = scene(job(objects={"count": (6, 6), "segments": 24, "optical": {optical: 1.0}}))
    bodies = [next(iter(item.materials.values())) for item in spec.objects]
    assert {material.optical_class for material in bodies} == {optical}


@pytest.mark.parametrize("name", ["lens", "ice_cube", "erlenmeyer_flask", "test_tube", "decanter"])
def test_what_is_clear_by_its_nature_is_never_opaque(name: str):
    optical = {"transparent": 1.0, "reflective": 50.0, "opaque": 50.0}
    families = {"include": [name]}
    objects = {"count": (6, 6), "segments": 24, "optical": optical, "families": families}
    bodies = [next(iter(item.materials.values())) for item in scene(job(objects=objects)).objects]
    assert {material.optical_class for material in bodies} == {"transparent"}


def test_a_clear_part_stays_clear_where_the_rest_is_opaque():
    select = {"include": ["plastic_abs_glossy", "glass_opal_white", "metal_*"]}
    objects = {"count": (1, 1), "segments": 24, "families": {"include": ["light_bulb"]}}
    settings = job(objects=objects, materials={"select": select})
    bulbs = [scene(settings, index).objects[0].materials for index in range(4)]
    assert {bulb["envelope"].name for bulb in bulbs} == {"glass_opal_white"}
    assert {bulb["stem"].optical_class for bulb in bulbs} == {"transparent"}


def test_reflective_vessels_are_of_metal_and_glaze_more_often_than_of_lacquer():
    families = {"include": ["tumbler", "wine_glass", "bottle", "carafe", "jar", "beaker"]}
    optical = {"reflective": 1.0}
    objects = {"count": (12, 12), "segments": 24, "optical": optical, "families": families}
    kinds = [next(iter(o.materials.values())).kind for o in scene(job(objects=objects)).objects]
    assert kinds.count("metal") + kinds.count("ceramic") > kinds.count("plastic")


def test_only_selected_families_and_materials_are_drawn():
    spec = scene(
        job(
            objects={"count": (6, 6), "segments": 24, "families": {"include": ["tumbler", "bowl"]}},
            materials={"select": {"include": ["glass_*"], "exclude": ["glass_frosted*"]}},
        )
    )
    assert {item.asset.name for item in spec.objects} <= {"tumbler", "bowl"}
    for item in spec.objects:
        name = next(iter(item.materials.values())).name
        assert name.startswith("glass_") and not name.startswith("glass_frosted")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"objects": {"families": {"include": ["tumblr"]}}}, "tumblr"),
        ({"objects": {"optical": {"shiny": 1}}}, "shiny"),
        ({"supports": {"kinds": {"hammock": 1}}}, "hammock"),
        ({"rooms": {"kinds": {"cave": 1}}}, "cave"),
        ({"lights": {"rigs": {"candle": 1}}}, "candle"),
        ({"objects": {"count": (100, 100)}, "supports": {"kinds": {"bowl": 1}}}, "bowl"),
        (
            {
                "objects": {"optical": {"reflective": 1}},
                "materials": {"select": {"include": ["glass_*"]}},
            },
            "objects.optical",
        ),
    ],
)
def test_impossible_jobs_are_refused_with_the_name_of_the_culprit(sections, words):
    with pytest.raises(JobError, match=words):
        scene(job(**sections))


def test_a_missing_mesh_file_is_named(tmp_path):
    gone = str(tmp_path / "gone.obj")
    lacking = job(objects={"sources": {"meshes": 1}, "meshes": [{"path": gone}]})
    with pytest.raises(AssetError, match=r"gone\.obj"):
        scene(lacking)


def test_meshes_of_the_user_are_drawn_and_built(tmp_path):
    import trimesh

    from transphy3d.scenes.build import build_geometry

    path = tmp_path / "brick.ply"
    trimesh.creation.box((0.1, 0.06, 0.04)).export(path)
    source = {"path": str(path), "size": 0.08, "kinds": ["metal"], "category": "brick"}
    optical = {"reflective": 1.0}
    meshes = {"sources": {"meshes": 1}, "meshes": [source], "count": (1, 1), "optical": optical}
    spec = sample_scene(job(objects=meshes), Streams(0, 0), library(), tmp_path)
    geometry = build_geometry(spec, 24, tmp_path)
    assert spec.objects[0].asset.source == "mesh"
    assert geometry.assets[1].category == "brick"
    size = geometry.assets[1].points().max(axis=0) - geometry.assets[1].points().min(axis=0)
    assert max(size) == pytest.approx(0.08, rel=1e-6)


def test_surroundings_are_never_transparent():
    config = job(materials={"select": {"include": ["glass_*"]}}).materials
    view = Palette(library(), config)
    records = view.surroundings(("surface", "metal", "plastic", "glass"))
    assert records
    assert all(record.optical_class != "transparent" for record in records)
