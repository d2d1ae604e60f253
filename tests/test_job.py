"""Job files: strict, merged, overridden, identified."""

from pathlib import Path

import pytest

from transphy3d.errors import JobError
from transphy3d.job import dump_job, identity, load_job
from transphy3d.library import builtin

MINIMAL = "name: one\nsequences: 2\n"


def job_file(folder: Path, text: str, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def message(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(JobError) as caught:
        load_job(job_file(folder, text), overrides)
    return str(caught.value)


RENDERING = [path for path in builtin("jobs").glob("*.yaml") if not path.name.startswith("dkt-")]


@pytest.mark.parametrize("path", sorted(RENDERING), ids=lambda path: path.name)
def test_every_built_in_job_loads(path):
    assert load_job(path).name == path.stem


def test_a_built_in_job_is_found_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_job("preview").name == "preview"


def test_an_unknown_key_is_named_with_file_and_nearest_name(tmp_path):
    text = message(tmp_path, MINIMAL + "render: {sampels: 4}\n")
    assert "job.yaml" in text
    assert "render.sampels: unknown key; did you mean 'samples'?" in text


def test_an_unknown_key_inside_a_list_is_named(tmp_path):
    text = message(tmp_path, MINIMAL + "objects: {meshes: [{path: a.glb, sise: 1}]}\n")
    assert "objects.meshes.0.sise: unknown key; did you mean 'size'?" in text


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("frames: 0", "frames"),
        ("width: 8", "width"),
        ("seed: -1", "seed"),
        ("objects: {count: [9, 4]}", "objects"),
        ("objects: {upright: 1.5}", "objects.upright"),
        ("camera: {fov: [0, 60]}", "camera.fov"),
        ("render: {preset: fast}", "render.preset"),
        ("output: {channels: [rgb, flow]}", "output.channels"),
        ("supports: {kinds: {table: -1}}", "supports.kinds.table"),
        ("name: a/b", "name"),
    ],
)
def test_values_out_of_range_are_errors_that_name_the_key(tmp_path, addition, key):
    key_of_addition = addition.split(":")[0]
    base = "".join(
        f"{line}\n" for line in MINIMAL.split("\n") if not line.startswith(key_of_addition)
    )
    assert f"job.yaml: {key}" in message(tmp_path, base + addition)


def test_all_faults_are_reported_at_once(tmp_path):
    text = message(tmp_path, "name: x\nframes: 0\nwidht: 3\n")
    assert "frames" in text
    assert "'width'" in text
    assert "sequences: is missing" in text


def test_a_key_given_twice_is_an_error(tmp_path):
    assert "'seed' is given twice" in message(tmp_path, MINIMAL + "seed: 1\nseed: 2\n")


def test_text_that_is_no_mapping_is_an_error(tmp_path):
    assert "holds no keys" in message(tmp_path, "- 1\n")
    assert "not valid YAML" in message(tmp_path, "a: [1\n")


def test_a_missing_job_lists_the_built_in_ones(tmp_path):
    with pytest.raises(JobError, match=r"built-in jobs are .*preview\.yaml"):
        load_job(tmp_path / "none.yaml")


def test_overrides_win_and_are_checked(tmp_path):
    path = job_file(tmp_path, MINIMAL)
    job = load_job(path, ["render.samples=64", "objects.count=[1, 2]", "name=two"])
    assert (job.render.samples, job.objects.count, job.name) == (64, (1, 2), "two")
    assert "did you mean 'samples'" in message(tmp_path, MINIMAL, "render.sample=1")
    assert "not of the form key=value" in message(tmp_path, MINIMAL, "render.samples")
    assert "plain value" in message(tmp_path, MINIMAL, "name.x=1")


def test_a_variant_says_only_what_differs(tmp_path):
    job_file(tmp_path, MINIMAL + "render: {samples: 9, exposure: 1}\n", "base.yaml")
    text = "base: base.yaml\nname: two\nrender: {samples: 3}\nsupports: {kinds: {bin: 1}}\n"
    job = load_job(job_file(tmp_path, text))
    assert (job.name, job.sequences) == ("two", 2)
    assert (job.render.samples, job.render.exposure) == (3, 1)
    assert job.supports.kinds == {"bin": 1}


def test_a_circle_of_bases_is_an_error(tmp_path):
    job_file(tmp_path, "base: job.yaml\n", "other.yaml")
    assert "leads back to this file" in message(tmp_path, "base: other.yaml\n")


def test_paths_are_relative_to_the_file_that_says_them(tmp_path):
    (tmp_path / "inner").mkdir()
    path = job_file(tmp_path / "inner", MINIMAL + "objects: {meshes: [{path: ../cup.glb}]}\n")
    assert load_job(path).objects.meshes[0].path == str(tmp_path / "cup.glb")


def test_the_dumped_job_is_the_same_job(tmp_path):
    job = load_job("preview", ["lights.strength=[0.5, 1]"])
    again = load_job(job_file(tmp_path, dump_job(job)))
    assert again == job
    assert identity(again) == identity(job)


@pytest.mark.parametrize(
    "change",
    ["name=x", "sequences=9", "run.workers=2", "render.device=cpu", "output.sequences_per_shard=7"],
)
def test_what_changes_no_pixel_is_not_in_the_identity(change):
    assert identity(load_job("preview", [change])) == identity(load_job("preview"))


@pytest.mark.parametrize(
    "change",
    [
        "seed=8",
        "frames=9",
        "width=100",
        "objects.upright=0.1",
        "render.samples=3",
        "output.channels=[rgb]",
    ],
)
def test_what_changes_pixels_or_geometry_is(change):
    assert identity(load_job("preview", [change])) != identity(load_job("preview"))


def test_files_count_by_content_not_by_path(tmp_path):
    for name, content in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / f"{name}.ply").write_text(content)
    ids = [
        identity(load_job("preview", [f"objects.meshes=[{{path: {tmp_path}/{n}.ply}}]"]))
        for n in "abc"
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_section_whose_keys_are_all_commented_out_is_as_if_absent(tmp_path):
    assert load_job(job_file(tmp_path, MINIMAL + "render:\nobjects: {families: }\n")) == load_job(
        job_file(tmp_path, MINIMAL, "plain.yaml")
    )
    assert load_job(job_file(tmp_path, MINIMAL + "render:\n"), ["render.samples=2"]).render.samples


@pytest.mark.parametrize("value", ["[1]", "3", "fast"])
def test_a_value_in_place_of_a_section_is_named(tmp_path, value):
    assert "render: " in message(tmp_path, MINIMAL + f"render: {value}\n")
    assert "is no section" in message(tmp_path, MINIMAL + f"render: {value}\n")


@pytest.mark.parametrize(
    ("addition", "key"),
    [
        ("sequences: yes", "sequences"),
        ("fps: .nan", "fps"),
        ("fps: .inf", "fps"),
        ("camera: {distance: [.nan, 2]}", "camera.distance"),
        ("camera: {distance: [0, 2]}", "camera.distance"),
        ("camera: {elevation: [10, 90]}", "camera.elevation"),
        ("objects: {scale: [-1, 1]}", "objects.scale"),
        ("lights: {strength: [0, 1]}", "lights.strength"),
        ("output: {channels: []}", "output.channels"),
        ("output: {channels: [rgb, rgb]}", "output"),
        ("1: 2", "1"),
    ],
)
def test_values_that_no_scene_can_have_are_errors(tmp_path, addition, key):
    text = f"name: one\n{'' if 'sequences' in addition else 'sequences: 2'}\n{addition}\n"
    assert f"job.yaml: {key}" in message(tmp_path, text)


def test_yaml_anchors_may_be_merged(tmp_path):
    text = MINIMAL + "camera: &c {arc: [1, 2]}\n"
    path = job_file(tmp_path, text.replace("&c {", "{<<: {fov: [40, 50]}, "))
    assert load_job(path).camera.fov == (40, 50)


def test_a_key_given_twice_in_an_override_is_an_error(tmp_path):
    text = message(tmp_path, MINIMAL, "objects.weights={bowl: 1, bowl: 2}")
    assert "'bowl' is given twice" in text


def test_a_path_on_the_command_line_counts_from_where_the_user_is(tmp_path, monkeypatch):
    path = job_file(tmp_path, MINIMAL)
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    for setting in ("objects={meshes: [{path: cup.glb}]}", "objects.meshes=[{path: cup.glb}]"):
        assert load_job(path, [setting]).objects.meshes[0].path == str(tmp_path / "inner/cup.glb")


def test_a_path_with_folders_is_never_taken_for_a_built_in_job(tmp_path):
    with pytest.raises(JobError, match="no such job file"):
        load_job(tmp_path / "preview.yaml")


def test_the_buffers_of_a_gltf_file_count(tmp_path):
    (tmp_path / "cup.gltf").write_text('{"buffers": [{"uri": "my%20cup.bin"}, {"uri": "data:,"}]}')
    job = load_job("preview", [f"objects.meshes=[{{path: {tmp_path}/cup.gltf}}]"])
    ids = []
    for data in (b"1", b"2"):
        (tmp_path / "my cup.bin").write_bytes(data)
        ids.append(identity(job))
    assert ids[0] != ids[1]


def test_materials_count_by_what_their_records_say(tmp_path):
    record = (
        "- {name: odd_glass, kind: glass, optical_class: transparent, model: dielectric, abbe: 60, "
        "ior: [1.5, 1.6], absorption: [1, 1, 1], roughness: [0, 0.1], density: [2400, 2500], "
        "friction: [0.3, 0.4], restitution: [0.1, 0.2], source: a table}\n"
    )
    ids = []
    for name, text in (("a", record), ("b", "# a remark\n" + record), ("c", "[]\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.yaml").write_text(text)
        ids.append(identity(load_job("preview", [f"materials.folder={tmp_path / name}"])))
    assert ids[0] == ids[1] != ids[2]
