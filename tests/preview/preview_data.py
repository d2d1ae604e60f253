"""A small data set without a renderer; one of its names attacks the page that shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import synthetic

from transphy3d.shards.schema import Rejection

HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>\'&amp;'
SIZE = (72, 96)
FRAMES = 5
RIGS = ("window", "studio", "window")


def scene(rig: str) -> dict[str, object]:
    """The part of a settled scene that the report reads."""
    environment = {"path": "worlds/forest.exr", "rotation": 0.0}
    lights = {"rig": rig, "environment": environment}
    spec = {"support": {"kind": "tray"}, "room": {"kind": "open"}, "lights": lights}
    return {"spec": spec}


def make_sequence(path: Path, index: int) -> None:
    """A sequence of balls, of which the second sequence's first has a hostile name."""
    record = synthetic.meta(FRAMES, SIZE, index)
    first = replace(record.objects[0], asset=HOSTILE if index == 1 else "flask")
    gone = Rejection(attempt=0, reason="escaped", detail=f"object 2 fell {index} m")
    provenance = replace(record.provenance, rejections=(gone,) * index, attempts=index + 1)
    record = replace(
        record,
        objects=(first, *record.objects[1:]),
        scene=scene(RIGS[index]),
        provenance=provenance,
    )
    synthetic.write(path, record, synthetic.render(record))
