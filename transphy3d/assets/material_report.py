"""What the inspector found in a mesh file: its materials, their lobes and how they look."""

from __future__ import annotations

from transphy3d.jsonio import record

# Raise when the same file would be described otherwise than before.
INSPECTOR_VERSION = 1


@record
class Looks:
    """Shares of a visible surface, each in [0, 1]; the first four exclude one another.

    clear : light passes unscattered, as through polished glass, thin plastic or a liquid
    frosted : light passes, but what is behind is blurred
    mirror : polished metal
    glossy : a polished layer over something opaque, as of glazed ceramic or varnish
    dull_metal : metal too rough for reflections
    emissive : it shines by itself
    """

    clear: float = 0.0
    frosted: float = 0.0
    mirror: float = 0.0
    glossy: float = 0.0
    dull_metal: float = 0.0
    emissive: float = 0.0


@record
class MaterialReport:
    """One material as a camera ray sees it.

    name : in the file, "" for faces without one
    area : share of the file's whole visible surface, [0, 1]; holes of cut-outs do not count
    lobes : mean weight by kind: bodies add up to 1 at most; polished gloss, polished coat and
        emission lie on top of them
    roughness, color : means over its bodies; color is linear sRGB
    notes : what could not be evaluated
    """

    name: str
    area: float
    lobes: dict[str, float]
    roughness: float
    color: tuple[float, float, float]
    looks: Looks
    notes: tuple[str, ...] = ()


@record
class Inspection:
    """One file.

    objects : names of what is shown; faces : triangles of the evaluated meshes
    materials : the largest first; looks : of the whole surface, by area
    """

    version: int
    objects: tuple[str, ...]
    faces: int
    materials: tuple[MaterialReport, ...]
    looks: Looks
