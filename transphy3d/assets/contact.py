"""Where an asset touches a table: hulls that reach as far as the meshes, and whether it stands."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from manifold3d import Manifold
from scipy.spatial import ConvexHull, QhullError

from transphy3d.assets.geometry import Asset, FloatArray

REACH_ERROR = 5e-5  # metres that the points looked at may stick out of the hulls
DIRECTIONS = 600  # a ball of 40 mm radius then keeps within 0.1 mm of its hull
FOOT_BAND = 1e-4  # metres above the lowest point that count as the foot
FOOT_POINTS = 48
LEAST_FOOT = 0.12  # least distance from below the middle to the foot's edge, over its height


def touching(asset: Asset) -> Asset:
    """The asset with hulls that reach the foot and the extreme points of its meshes.

    Hulls simplify: they cut off up to a millimetre, by which an object would sink into what it
    lies on. The foot's outline and the meshes' extremes in many directions, where they stick
    out, are given to the nearest hull; the inside of hollow things stays as it is.
    """
    points = asset.points()
    outer = Manifold.hull_points(points).to_mesh64().vert_properties
    reached = np.vstack([outer[(_directions() @ outer.T).argmax(axis=1)], _foot(outer)])
    gaps = np.stack([_gaps(hull, reached) for hull in asset.hulls])
    nearest, outside = gaps.argmin(axis=0), gaps.min(axis=0) > REACH_ERROR
    added = {k: np.unique(reached[outside & (nearest == k)], axis=0) for k in set(nearest[outside])}
    hulls = [
        np.vstack([hull, added[k]]) if k in added else hull for k, hull in enumerate(asset.hulls)
    ]
    return replace(asset, hulls=tuple(hulls))


@cache
def _directions() -> FloatArray:
    """(DIRECTIONS, 3) unit vectors spread evenly, on a Fibonacci spiral."""
    k = np.arange(DIRECTIONS) + 0.5
    height, angle = 1 - 2 * k / DIRECTIONS, k * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def _foot(points: FloatArray) -> FloatArray:
    """Up to FOOT_POINTS points of the outline of what touches the table, (K, 3)."""
    foot = points[points[:, 2] < points[:, 2].min() + FOOT_BAND]
    try:
        outline = foot[ConvexHull(foot[:, :2]).vertices]
    except QhullError:  # a point or a line
        outline = foot
    thinned: FloatArray = outline[:: -(-len(outline) // FOOT_POINTS)]
    return thinned


def _gaps(hull: FloatArray, points: FloatArray) -> FloatArray:
    """How far each of (N, 3) points lies outside a hull's planes, negative inside, (N,)."""
    try:
        planes = ConvexHull(hull).equations
    except QhullError:  # a hull without volume cannot be the nearest
        return np.full(len(points), np.inf)
    gaps: FloatArray = (points @ planes[:, :3].T + planes[:, 3]).max(axis=1)
    return gaps


def stands(asset: Asset) -> bool:
    """Whether an asset stands as built rather than rolling or tipping over.

    True if a disc around its middle, of radius LEAST_FOOT times the middle's height, lies
    within the convex outline of what touches the table.
    """
    x, y, height = _middle(asset)
    try:
        edges = ConvexHull(_foot(asset.points())[:, :2]).equations
    except QhullError:  # a point or a line
        return False
    inside = -(edges @ (x, y, 1.0)).max()
    return bool(inside > LEAST_FOOT * height)


def _middle(asset: Asset) -> FloatArray:
    """About the centre of mass: the hulls' middles weighed by their boxes' volumes, (3,) metres."""
    middles = np.array([hull.mean(axis=0) for hull in asset.hulls])
    boxes = np.array([np.prod(np.ptp(hull, axis=0)) for hull in asset.hulls])
    middle: FloatArray = np.average(middles, axis=0, weights=boxes)
    return middle
