"""From disparity to metres: by a sensor's depth map, or by how the camera is mounted or moves.

A video's disparity is affine in 1 / depth: two numbers, scale and shift, are missing, and they hold
for every frame. Both are found from the first one, where it moves beside others.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transphy3d.dkt.evaluation.metrics import MIN_DISPARITY, fit
from transphy3d.dkt.inference.parallax import fit_parallax
from transphy3d.dkt.inference.plane import DisparityPlane, dominant_plane
from transphy3d.dkt.inference.track import Track
from transphy3d.dkt.inference.video import Video
from transphy3d.errors import JobError, ShardError
from transphy3d.groundtruth.camera import pixel_rays
from transphy3d.shards.draws import generator

Floats = NDArray[np.floating[Any]]
MIN_SENSOR_PIXELS = 100
KEPT = 0.8  # of the sensor's pixels in the second fit: sensors are wrong on glass
MILLIMETRES = 1e-3
DEEP_MODES = ("I;16", "I;16B", "I")  # of Pillow, for 16 bits
MIN_PLANE_SHARE = 0.2
MIN_SLOPE = 0.02  # of the disparity's range over a tangent of 1
PLANE_STREAM = 12


@dataclass(frozen=True)
class Sensor:
    """Depth (H, W) in metres of the first frame, 0 or NaN where the sensor saw nothing."""

    depth: Floats


@dataclass(frozen=True)
class Mount:
    """A camera over the plane that things stand on.

    height : metres above it; pitch : degrees by which the camera looks down, 90 = straight down
    """

    height: float
    pitch: float


@dataclass(frozen=True)
class Scale:
    """1 / depth = factor * disparity + shift, in 1/m; source : what it was fitted to."""

    factor: float
    shift: float
    source: str

    def depth(self, near: Floats) -> NDArray[np.float32]:
        """Metres of disparity in [0, 1]; at most a kilometre."""
        inverse = self.factor * near.astype(np.float64) + self.shift
        return np.asarray(1 / np.maximum(inverse, MIN_DISPARITY), np.float32)


Known = Sensor | Mount | Track


def find_scale(near: Floats, intrinsics: Floats, known: Known, video: Video) -> Scale:
    """The scale of a video from its first disparity (H, W) in [0, 1].

    Raises JobError if what is known does not fit the picture.
    """
    if isinstance(known, Sensor):
        return sensor_scale(near, known.depth)
    if isinstance(known, Track):
        return track_scale(near, intrinsics, known, video)
    return mount_scale(near, intrinsics, known)


def sensor_scale(near: Floats, sensor: Floats) -> Scale:
    """By least squares against a depth map (H, W), once more without the fifth that fits worst.

    Raises JobError if the map is of another size, nearly empty, or runs against the disparity.
    """
    check_sensor(sensor, near.shape)
    seen = np.isfinite(sensor) & (sensor > 0)
    p, inverse = near[seen], 1 / sensor[seen].astype(np.float64)
    factor, shift = fit(p, inverse)
    error = np.abs(factor * p + shift - inverse)
    kept = error <= np.quantile(error, KEPT)
    factor, shift = fit(p[kept], inverse[kept])
    if factor <= 0:
        raise JobError("--sensor: far where near is seen; is it the first frame's map, in metres?")
    return Scale(factor, shift, "the sensor's depth of the first frame")


def check_sensor(sensor: Floats, size: tuple[int, ...]) -> None:
    """Raises JobError if a depth map is not of the video's (height, width) or nearly empty."""
    if sensor.shape != size:
        raise JobError(
            f"--sensor: is {sensor.shape[1]}x{sensor.shape[0]}, the video {size[1]}x{size[0]}; "
            "crop or scale it"
        )
    seen = int((np.isfinite(sensor) & (sensor > 0)).sum())
    if seen < MIN_SENSOR_PIXELS:
        raise JobError(f"--sensor: {seen} known pixels are too few to fit a scale")


def mount_scale(near: Floats, intrinsics: Floats, mount: Mount) -> Scale:
    """By the plane that most of the picture shows, which is taken for the one under the camera.

    On that plane 1 / z = n . ray / h, with unit normal n away from the camera, n_z = sin(pitch):
    the slope gives the factor, factor |slope| = cos(pitch) / h, and the offset then the shift,
    factor * offset + shift = sin(pitch) / h. Height alone would leave one of both open. Raises
    JobError if there is no such plane or the camera looks straight at it.
    """
    plane = dominant_plane(near, pixel_rays(intrinsics, *near.shape), generator(0, PLANE_STREAM))
    slope = _slope(plane)
    factor = math.cos(math.radians(mount.pitch)) / (mount.height * slope)
    shift = math.sin(math.radians(mount.pitch)) / mount.height - factor * plane.offset
    source = (
        f"a camera {mount.height:g} m over a plane, looking down by {mount.pitch:g} degrees; "
        f"{100 * plane.share:.0f} % of the first frame lie on the plane"
    )
    return Scale(factor, shift, source)


def _slope(plane: DisparityPlane) -> float:
    if plane.share < MIN_PLANE_SHARE:
        raise JobError(
            f"--camera-height: only {100 * plane.share:.0f} % of the first frame lie on one plane; "
            "begin the video where the table fills more of it, or use --sensor"
        )
    slope = math.hypot(*plane.slope)
    if slope < MIN_SLOPE or plane.slope[1] <= 0:
        raise JobError(
            "--camera-height: the plane that fills most of the first frame is not under the "
            "camera, or the camera looks straight at it; use --sensor"
        )
    return slope


def check_track(track: Track, frames: int | None) -> None:
    """Raises JobError if there are fewer poses than frames, or the camera does not move."""
    if frames and len(track.poses) < frames:
        raise JobError(
            f"--poses: {len(track.poses)} poses for {frames} frames; give one a frame, or --frames "
            f"{len(track.poses)}"
        )
    track.companions(frames or len(track.poses))


def track_scale(near: Floats, intrinsics: Floats, track: Track, video: Video) -> Scale:
    """By parallax: the scale at which other frames look as their poses say.

    Raises JobError if the pictures do not tell.
    """
    chosen = track.companions(video.announced or len(track.poses))
    frames = enumerate(itertools.islice(video, chosen[-1] + 1))
    pictures = {number: frame for number, frame in frames if number in (0, *chosen)}
    others = [(pictures[k], track.motion(k)) for k in chosen if k in pictures]
    if not others:
        raise JobError(f"--poses: the video ends before frame {chosen[0]}, as poses go")
    factor, shift = fit_parallax(near, intrinsics, pictures[0], others)
    farthest = track.baselines()[chosen].max()
    source = f"the poses of {len(others)} frames, up to {farthest:.3g} m from the first"
    return Scale(factor, shift, source)


def read_depth_map(path: Path) -> NDArray[np.float64]:
    """(H, W) metres from .npy in metres, or from a 16-bit picture in millimetres.

    Raises ShardError if the file cannot be read as that.
    """
    try:
        if path.suffix == ".npy":
            depth = np.load(path, allow_pickle=False).astype(np.float64)
        else:
            with Image.open(path) as picture:
                if picture.mode not in DEEP_MODES:
                    raise ValueError(f"its pixels are {picture.mode}, not 16 bits of one channel")
                depth = np.asarray(picture, np.float64) * MILLIMETRES
    except (OSError, ValueError, SyntaxError) as error:
        raise ShardError(f"{path}: cannot be read as a depth map ({error})") from None
    if depth.ndim != 2:
        raise ShardError(f"{path}: is {depth.shape}; a depth map has two axes, height and width")
    return depth
