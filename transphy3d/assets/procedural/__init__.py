"""Objects from parameters: every module here that defines FAMILY or FAMILIES adds families."""

from transphy3d.assets.procedural.family import Choice, Family, Uniform, build, families

__all__ = ["Choice", "Family", "Uniform", "build", "families"]
