"""The documentation says what is true: generated pages are current, examples run."""

import re
from pathlib import Path

import numpy as np
import pytest

from transphy3d.assets.procedural.family import build, families
from transphy3d.config import Job
from transphy3d.job import load_job
from transphy3d.library import builtin
from transphy3d.materials.library import load_library
from transphy3d.reference import PAGES
from transphy3d.rng import Streams
from transphy3d.scenes.lights import RIGS
from transphy3d.scenes.sample import sample_scene

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of one language in a Markdown file."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_current(name):
    written = (ROOT / "docs" / name).read_text()
    assert written == PAGES[name]().rstrip() + "\n", "run `make docs`"


def test_every_key_of_a_job_is_explained():
    page = PAGES["jobs.md"]()
    for name, field in Job.model_fields.items():
        assert f"`{name}`" in page or f"## {name}" in page
        assert field.description or f"## {name}" in page


def test_the_plugin_example_works(tmp_path):
    (tmp_path / "goblets.py").write_text("\n".join(blocks("docs/extending.md", "python")))
    text = blocks("docs/extending.md", "yaml")[0]
    (tmp_path / "job.yaml").write_text("base: smoke.yaml\nname: goblets\n" + text)
    job = load_job(tmp_path / "job.yaml", ["objects.families.include=[goblet]"])
    from transphy3d.plugins import load_plugins

    load_plugins(job.plugins)
    asset = build("goblet", families()["goblet"].sample(np.random.default_rng(0)), 32)
    assert asset.cavity is not None
    spec = sample_scene(job, Streams(0, 0), load_library(), tmp_path / "cache")
    assert {item.asset.name for item in spec.objects} == {"goblet"}
    assert spec.lights.rig == "spot"
    assert "spot" in RIGS.names()


def test_the_job_of_the_readme_loads(tmp_path):
    (tmp_path / "mine.yaml").write_text(blocks("README.md", "yaml")[0])
    job = load_job(tmp_path / "mine.yaml")
    assert (job.name, job.sequences, job.frames) == ("bottles-in-bins", 500, 120)


def test_links_of_the_documentation_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_test_split_shares_no_shape_material_or_seed_with_training():
    train, test = load_job("transphy3d"), load_job("transphy3d-test")
    library = load_library()
    kinds = ("glass", "plastic", "metal", "ceramic", "liquid")
    chosen = [
        {
            record.name
            for record in library.select(
                kinds, None, job.materials.select.include, job.materials.select.exclude
            )
        }
        for job in (train, test)
    ]
    assert chosen[0] and chosen[1] and not chosen[0] & chosen[1]
    assert test.objects.families.include == train.objects.families.exclude
    assert train.seed != test.seed


def test_built_in_data_is_found():
    assert {path.name for path in builtin("jobs").glob("*.yaml")} >= {"preview.yaml", "smoke.yaml"}
