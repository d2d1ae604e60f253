"""What must hold inside one frame, and between two; each check yields what it finds wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transphy3d.groundtruth import consistency
from transphy3d.groundtruth.camera import invert_rigid, transform, unproject
from transphy3d.groundtruth.reproject import reproject

Array = NDArray[Any]

MAX_FACING = 0.002  # cosine; the rounding of stored normals is a tenth of it
MAX_NORMAL_ANGLE = 3.0  # degrees, median of a frame: mostly flat
# Degrees more for each radian that a pixel spans: a small picture that one round thing fills.
NORMAL_ANGLE_PER_PIXEL = 150.0
MAX_INSTANCE_ANGLE = 12.0  # degrees, median of one instance: facets under smooth shading
MIN_SMOOTH_PIXELS = 30  # of a frame
MIN_INSTANCE_PIXELS = 100  # of one instance: rims and grooves of smaller ones are finer than pixels
MAX_BEHIND_ERROR = 1e-3  # relative; the two renders hit the same triangles
MAX_BEHIND_SHARE = 1e-3  # of the pixels: rays that graze an edge may fall to either side
BOUNDS_MARGIN = 0.001  # metres
MAX_OUTSIDE_SHARE = 0.01
GAP_TOLERANCE = 0.004  # relative to depth
MAX_GAP_SHARE = 0.25  # of an object's points; fewer may fall between pixels on thin parts
SEEN_TOLERANCE = 0.001  # relative to depth
MIN_SEEN_POINTS = 6
# Rims thinner than a pixel come and go: the more of them, the more radians a pixel spans.
MAX_FLOATING_SHARE = 0.01
FLOATING_SHARE_PER_PIXEL = 0.5
# Relative to depth, and so much more for each squared radian of a pixel: between pixels, curved
# surfaces leave the straight line by the square of their distance.
MAX_MEDIAN_RESIDUAL = 5e-4
RESIDUAL_PER_SQUARED_PIXEL = 1.0
OCCLUDED = 0.02  # relative to depth; what lies further behind is hidden in the other frame
MIN_COVISIBLE_SHARE = 0.05  # of the points; views with less in common say nothing


class Finding(NamedTuple):
    """One thing that is wrong in a frame."""

    channel: str
    check: str
    message: str


@dataclass(frozen=True)
class Frame:
    """One frame as users read it, with the tables that it must agree with.

    values : by channel; pose : world to camera; objects : the structured object table
    clear_surroundings : whether the support or room has transparent parts
    """

    number: int
    values: dict[str, Array]
    pose: Array
    intrinsics: Array
    objects: Array
    clear_surroundings: bool = False

    @property
    def see_through(self) -> Array:
        """Pixels (H, W) whose surface may be transparent."""
        table = self.objects
        clear = table["instance"][table["optical_class"] == b"transparent"]
        mask = np.isin(self.values["instance"], clear)
        return mask | (self.values["instance"] == 0) if self.clear_surroundings else mask


Check = Callable[[Frame], Iterator[Finding]]


def finite(frame: Frame) -> Iterator[Finding]:
    """No NaN, infinity or negative depth."""
    for name in ("depth", "depth_behind", "normal"):
        values = frame.values.get(name)
        if values is None:
            continue
        bad = ~np.isfinite(values)
        if name != "normal":
            bad |= values < 0
        if bad.any():
            yield Finding(name, "finite", f"{bad.sum()} values are not finite or are negative")


def not_constant(frame: Frame) -> Iterator[Finding]:
    """No channel is one value all over, but for instances where nothing stands in the frame."""
    for name, values in frame.values.items():
        if name == "instance" or name == "normal":
            continue
        if (values == values.flat[0]).all():
            yield Finding(name, "constant", f"every pixel is {values.flat[0]}")


def normal_where_hit(frame: Frame) -> Iterator[Finding]:
    """Depth and normal are both there or both absent; an instance has depth."""
    hit = frame.values["depth"] > 0
    if "normal" in frame.values:
        wrong = hit != frame.values["normal"].any(-1)
        if wrong.any():
            yield Finding("normal", "coverage", f"{wrong.sum()} pixels have depth or normal alone")
    if "instance" in frame.values:
        wrong = (frame.values["instance"] > 0) & ~hit
        if wrong.any():
            yield Finding("instance", "coverage", f"{wrong.sum()} pixels have no depth")


def known_instances(frame: Frame) -> Iterator[Finding]:
    """Every id in the picture stands in the object table."""
    known = set(frame.objects["instance"].tolist()) | {0}
    unknown = sorted(set(np.unique(frame.values["instance"]).tolist()) - known)
    if unknown:
        yield Finding("instance", "ids", f"{unknown} are not in the object table {sorted(known)}")


def normals_face_camera(frame: Frame) -> Iterator[Finding]:
    """Normals point toward the camera."""
    cosine = consistency.facing(frame.values["normal"], frame.intrinsics)
    away = cosine > MAX_FACING
    if away.any():
        yield Finding(
            "normal", "facing", f"{away.sum()} normals point away, cosine up to {cosine.max():.3f}"
        )


def normals_match_depth(frame: Frame) -> Iterator[Finding]:
    """Normals agree with the slope of depth, over the frame and on every instance."""
    depth, instance = frame.values["depth"], frame.values["instance"]
    smooth = consistency.smooth_pixels(depth, instance)
    slopes = consistency.normals_from_depth(depth, frame.intrinsics)[smooth]
    angles = consistency.angles(slopes, frame.values["normal"][smooth])
    allowed = MAX_NORMAL_ANGLE + NORMAL_ANGLE_PER_PIXEL * _pixel_angle(frame)
    if len(angles) >= MIN_SMOOTH_PIXELS and np.median(angles) > allowed:
        yield Finding("normal", "slope", f"{np.median(angles):.1f} degrees from depth's, median")
        return
    for number in np.unique(instance[smooth]):
        own = angles[instance[smooth] == number]
        if len(own) >= MIN_INSTANCE_PIXELS and np.median(own) > MAX_INSTANCE_ANGLE:
            yield Finding(
                "normal",
                "slope",
                f"instance {number}: {np.median(own):.1f} degrees from depth's, median",
            )


def _pixel_angle(frame: Frame) -> float:
    """Radians that a pixel spans in the middle of the picture."""
    return float(1 / frame.intrinsics[0, 0])


def behind_is_behind(frame: Frame) -> Iterator[Finding]:
    """depth_behind equals depth but on transparent things, where it is not before it."""
    error = consistency.behind_error(
        frame.values["depth"], frame.values["depth_behind"], frame.see_through
    )
    wrong = error > MAX_BEHIND_ERROR
    if wrong.mean() > MAX_BEHIND_SHARE:
        yield Finding(
            "depth_behind", "behind", f"{wrong.sum()} pixels lie before depth or differ from it"
        )


def pixels_in_bounds(frame: Frame) -> Iterator[Finding]:
    """An instance's pixels lie inside its box in the object table."""
    points = unproject(frame.values["depth"], frame.intrinsics)
    to_world = invert_rigid(frame.pose)
    for row in frame.objects:
        own = points[frame.values["instance"] == row["instance"]]
        if not len(own):
            continue
        local = transform(invert_rigid(row["object_to_world"]) @ to_world, own)
        distance = consistency.outside(local, row["bounds_low"], row["bounds_high"])
        share = (distance > BOUNDS_MARGIN).mean()
        if share > MAX_OUTSIDE_SHARE:
            yield Finding(
                "instance",
                "bounds",
                f"instance {row['instance']}: {share:.0%} of its pixels lie up to "
                f"{distance.max():.4f} m outside its box",
            )


def objects_present(frame: Frame) -> Iterator[Finding]:
    """Nothing stands before the depth map, and what is seen in it has pixels."""
    seen: dict[int, int] = {}
    for row in frame.objects:
        world = transform(row["object_to_world"], row["points"])
        gaps = consistency.surface_gaps(world, frame.values["depth"], frame.pose, frame.intrinsics)
        bare = (gaps[:, 0] > GAP_TOLERANCE).sum()
        if bare > MAX_GAP_SHARE * len(gaps):
            yield Finding(
                "depth",
                "missing_object",
                f"instance {row['instance']}: {bare} of {len(gaps)} surface points have no surface",
            )
        count = int((np.abs(gaps[:, 1]) < SEEN_TOLERANCE).sum())
        seen[int(row["object"])] = seen.get(int(row["object"]), 0) + count
    present = set(np.unique(frame.values["instance"]).tolist())
    yield from _without_pixels(frame.objects, seen, present)


def _without_pixels(objects: Array, seen: dict[int, int], present: set[int]) -> Iterator[Finding]:
    """Objects of which enough points are seen in depth but no pixel in instance.

    Counted per object, not per piece: a liquid's surface lies a wall's thickness behind the
    vessel's, closer than depth can tell.
    """
    for number, count in seen.items():
        pieces = objects["instance"][objects["object"] == number].tolist()
        if count >= MIN_SEEN_POINTS and not present.intersection(pieces):
            yield Finding(
                "instance",
                "visible_object",
                f"object {number}: {count} surface points are seen, yet it has no pixels",
            )


def frames_reproject(frame: Frame, other: Frame) -> Iterator[Finding]:
    """Depth carried by the poses from one frame into another fits there, occlusion apart."""
    result = reproject(
        frame.values["depth"],
        other.values["depth"],
        frame.pose,
        other.pose,
        frame.intrinsics,
    )
    if not len(result.residual):
        return
    floating = result.floating.mean()
    covisible = result.residual[result.residual < OCCLUDED]
    enough = len(covisible) > MIN_COVISIBLE_SHARE * len(result.residual)
    median = np.median(np.abs(covisible)) if enough else 0.0
    pixel = _pixel_angle(frame)
    off = median > MAX_MEDIAN_RESIDUAL + RESIDUAL_PER_SQUARED_PIXEL * pixel**2
    if off or floating > MAX_FLOATING_SHARE + FLOATING_SHARE_PER_PIXEL * pixel:
        yield Finding(
            "depth",
            "reprojection",
            f"carried into frame {other.number}: {floating:.1%} of points float, depth is off by "
            f"{median:.2e} of itself (median)",
        )


# Check and the channels that it needs; the first are cheap enough for every frame.
EVERY_FRAME: tuple[tuple[Check, frozenset[str]], ...] = (
    (finite, frozenset()),
    (not_constant, frozenset()),
    (normal_where_hit, frozenset({"depth"})),
    (known_instances, frozenset({"instance"})),
)
DEEP: tuple[tuple[Check, frozenset[str]], ...] = (
    (normals_face_camera, frozenset({"normal"})),
    (normals_match_depth, frozenset({"depth", "normal", "instance"})),
    (behind_is_behind, frozenset({"depth", "depth_behind", "instance"})),
    (pixels_in_bounds, frozenset({"depth", "instance"})),
    (objects_present, frozenset({"depth", "instance"})),
)


def run(checks: tuple[tuple[Check, frozenset[str]], ...], frame: Frame) -> Iterator[Finding]:
    """Findings of all checks whose channels are stored."""
    for check, needs in checks:
        if needs <= frame.values.keys():
            yield from check(frame)
