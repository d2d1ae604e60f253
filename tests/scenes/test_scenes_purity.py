"""Nothing that is sampled may depend on a clock, an identifier or hidden random state."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scenes_things import NO_CACHE, job, scene

import transphy3d
from transphy3d.scenes.build import build_geometry

PACKAGE = Path(transphy3d.__file__).parent
ROOMS = ("scenes", "materials", "physics")
BANNED_MODULES = {"random", "time", "uuid", "datetime", "secrets"}
ALLOWED_NUMPY_RANDOM = {"Generator", "PCG64", "SeedSequence"}


def offences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in BANNED_MODULES)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in BANNED_MODULES:
            yield str(node.module)
        if isinstance(node, ast.ImportFrom) and node.module == "numpy.random":
            yield "from numpy.random import"
        if isinstance(node, ast.Attribute) and is_hidden_draw(node):
            yield f"np.random.{node.attr}"


def is_hidden_draw(node: ast.Attribute) -> bool:
    of_numpy = ast.unparse(node.value) in ("np.random", "numpy.random")
    return of_numpy and node.attr not in ALLOWED_NUMPY_RANDOM


def imports(file: Path) -> Iterator[Path]:
    """Files of the package that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("transphy3d."):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            places = [PACKAGE.parent / name.replace(".", "/") for name in names]
            yield from (f for p in places for f in (p.with_suffix(".py"), p / "__init__.py"))


def sampling_modules() -> list[Path]:
    """Everything that the rooms where scenes are made import, and procedural families."""
    waiting = [f for room in (*ROOMS, "assets/procedural") for f in (PACKAGE / room).rglob("*.py")]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file.is_file() and file not in found:
            found.add(file)
            waiting += imports(file)
    return sorted(found)


def test_sampling_reaches_assets_but_not_what_fetches_and_judges_them():
    names = {str(file.relative_to(PACKAGE)) for file in sampling_modules()}
    assert {"assets/imported.py", "assets/collision.py", "assets/procedural/mug.py"} <= names
    assert not names & {"assets/download.py", "assets/vlm.py", "assets/review_server.py"}


def test_no_module_of_sampling_draws_from_a_clock_or_global_state():
    files = sampling_modules()
    found = {str(f.relative_to(PACKAGE)): list(offences(f.read_text("utf-8"))) for f in files}
    assert {name: items for name, items in found.items() if items} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import random",
        "from time import time",
        "import numpy as np\nnp.random.rand()",
        "import numpy as np\nnp.random.default_rng()",
        "import datetime as d",
        "import uuid",
    ],
)
def test_the_scan_sees_what_is_banned(source: str):
    assert list(offences(source))


def geometry_bytes(index: int) -> bytes:
    geometry = build_geometry(scene(job(), index), 24, NO_CACHE)
    bodies = [*geometry.support.bodies, *geometry.room]
    meshes = [body.mesh for body in bodies]
    hulls = [hull for body in bodies for hull in body.hulls]
    for asset in geometry.assets.values():
        meshes += [part.mesh for part in asset.parts]
        hulls += asset.hulls
    arrays = [array for mesh in meshes for array in (mesh.vertices, mesh.faces)] + hulls
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


def test_building_twice_gives_equal_bytes():
    assert geometry_bytes(1) == geometry_bytes(1)
