"""Rigid bodies: mass, centre of mass and inertia of what an object is really made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from transphy3d.assets.geometry import Asset, FloatArray, Mesh, Part
from transphy3d.assets.liquid import fill
from transphy3d.errors import AssetError
from transphy3d.materials.spec import Material
from transphy3d.scenes.spec import ObjectSpec, Pose


@dataclass(frozen=True)
class Frame:
    """A body's place in the world: position (3,) metres, and rotation of body to world axes."""

    position: FloatArray
    rotation: Rotation


@dataclass(frozen=True)
class Surface:
    """Coulomb friction and restitution against the same material, both unitless."""

    friction: float
    restitution: float


@dataclass(frozen=True)
class Inertia:
    """mass in kg, centre of mass (3,) in metres, tensor (3, 3) about it in kg m2."""

    mass: float
    center: FloatArray
    tensor: FloatArray


@dataclass(frozen=True)
class RigidBody:
    """An object as physics sees it, in the frame of its principal axes of inertia.

    hulls : convex pieces in body axes from the centre of mass, each (K, 3) metres
    inertia : principal moments, (3,) kg m2
    center : centre of mass in the object's own frame, scaled, (3,) metres
    axes : rotation from body axes to object axes
    """

    hulls: tuple[FloatArray, ...]
    mass: float
    inertia: FloatArray
    surface: Surface
    center: FloatArray
    axes: Rotation

    def points(self) -> FloatArray:
        """All points of all hulls, (P, 3) metres in body axes."""
        return np.concatenate(self.hulls)

    def pose(self, frame: Frame) -> Pose:
        """The object's pose for a body at `frame`."""
        rotation = frame.rotation * self.axes.inv()
        x, y, z = (frame.position - rotation.apply(self.center)).tolist()
        qx, qy, qz, qw = rotation.as_quat(canonical=True).tolist()
        return Pose(position=(x, y, z), rotation=(qw, qx, qy, qz))


def surface(material: Material) -> Surface:
    """How a material rubs and bounces."""
    return Surface(material.friction, material.restitution)


def rigid_body(spec: ObjectSpec, asset: Asset) -> RigidBody:
    """The rigid body of a sampled object; its liquid counts as a solid in it.

    The parts must be closed meshes. The surface is that of the heaviest part.
    Raises AssetError if a part encloses no volume.
    """
    solids = [_part_inertia(asset, part, spec) for part in asset.parts]
    heaviest = asset.parts[int(np.argmax([solid.mass for solid in solids]))]
    total = combine([*solids, *_liquid_inertia(asset, spec)])
    moments, axes = principal_axes(total.tensor)
    hulls = tuple(axes.inv().apply(hull * spec.scale - total.center) for hull in asset.hulls)
    material = spec.materials[heaviest.name]
    return RigidBody(hulls, total.mass, moments, surface(material), total.center, axes)


def _part_inertia(asset: Asset, part: Part, spec: ObjectSpec) -> Inertia:
    solid = solid_inertia(part.mesh, spec.scale, spec.materials[part.name].density)
    if not solid.mass > 0 or not np.all(np.linalg.eigvalsh(solid.tensor) > 0):
        raise AssetError(
            f"asset {asset.name!r}, part {part.name!r}: mass {solid.mass:.3g} kg from its faces; "
            "physics needs a closed mesh whose faces turn counter-clockwise seen from outside"
        )
    return solid


def _liquid_inertia(asset: Asset, spec: ObjectSpec) -> list[Inertia]:
    if spec.liquid is None:
        return []
    body = spec.materials[asset.parts[0].name]
    filled = fill(asset, spec.liquid.fraction, spec.liquid.material.ior, body.ior)
    liquid = filled.parts[-1].mesh
    return [solid_inertia(liquid, spec.scale, spec.liquid.material.density)]


def solid_inertia(mesh: Mesh, scale: float, density: float) -> Inertia:
    """Mass properties of a closed mesh of even density in kg/m3.

    Integrals over the volume by the divergence theorem (Eberly, "Polyhedral Mass Properties").
    """
    triangles = (mesh.vertices * scale)[mesh.faces]
    found = trimesh.triangles.mass_properties(triangles, density=density)
    return Inertia(float(found["mass"]), found["center_mass"], found["inertia"])


def combine(solids: Sequence[Inertia]) -> Inertia:
    """Several solids as one rigid body, by the parallel axis theorem."""
    mass = sum(solid.mass for solid in solids)
    center = sum((solid.mass * solid.center for solid in solids), np.zeros(3)) / mass
    tensor = np.zeros((3, 3))
    for solid in solids:
        arm = solid.center - center
        tensor += solid.tensor + solid.mass * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return Inertia(mass, center, tensor)


def principal_axes(tensor: FloatArray) -> tuple[FloatArray, Rotation]:
    """Principal moments (3,) of an inertia tensor, and the rotation from their axes."""
    moments, axes = np.linalg.eigh(tensor)
    axes[:, 0] *= np.sign(np.linalg.det(axes))  # a rotation, not a reflection
    return moments, Rotation.from_matrix(axes)
