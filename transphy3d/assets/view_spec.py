"""What Blender is told to render of assets for judging: one JSON file for many of them."""

from __future__ import annotations

from transphy3d.jsonio import record
from transphy3d.scenes.spec import Environment, Matrix3

VIEWS_VERSION = 1  # raise when the same file would be shown differently
EDGE = 280  # pixels; ten of the model's patches
# Azimuth and elevation of the camera in degrees: round the object, once from well above, so that
# what is hollow shows its inside.
DIRECTIONS = ((35.0, 22.0), (125.0, 30.0), (215.0, 22.0), (305.0, 50.0))


@record
class ViewItem:
    """One asset to render.

    path : mesh file; folder : where 0.png, 1.png, ... go
    turn : rotation of the file's own axes, before formats with Y up are stood on Z
    """

    path: str
    folder: str
    turn: Matrix3 | None = None


@record
class ViewRequest:
    """Assets to render in one process.

    edge : pixels; samples : per pixel; log : file that gets one `ViewOutcome` a line
    memory, seconds : limits of the process, bytes of address space and seconds of CPU
    """

    items: tuple[ViewItem, ...]
    environment: Environment
    edge: int
    samples: int
    log: str
    memory: int
    seconds: int


@record
class ViewOutcome:
    """What became of one item: an empty error means that its pictures are there."""

    item: int
    error: str
