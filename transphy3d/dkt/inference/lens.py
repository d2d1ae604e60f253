"""The camera's intrinsics: given, from what the camera wrote into the file, or assumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from transphy3d.dkt.inference.decoding import stream_facts
from transphy3d.dkt.inference.pictures import pictures
from transphy3d.dkt.inference.video import Video, is_file
from transphy3d.errors import JobError
from transphy3d.groundtruth.camera import fov_intrinsics

MIN_FOV, MAX_FOV = 1, 179
DEFAULT_FOV = 60.0  # degrees across; phones' main cameras see 65 to 75, depth cameras 55 to 90
EXIF_IFD, FOCAL_35MM = 0x8769, 0xA405
QUICKTIME_35MM = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
FILM_DIAGONAL = math.hypot(36, 24)  # mm; CIPA DCG-001 compares the diagonals' angles of view
NAMES = (("fx", "fy", "cx", "cy"), ("fx", "fy", "ppx", "ppy"))
MATRICES = ("K", "k", "intrinsics", "camera_matrix")
WIDTHS, HEIGHTS = ("width", "image_width"), ("height", "image_height")
ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class Lens:
    """matrix : K (3, 3) in pixels of the video, principal point from the top left corner.

    source : where it comes from; assumed : whether nobody measured it
    """

    matrix: NDArray[np.float64]
    source: str
    assumed: bool = False


def find_lens(video: Video, given: str | None = None, fov: float | None = None) -> Lens:
    """The intrinsics that a user gives, else those of the file's metadata, else a default.

    given : "fx,fy,cx,cy" in pixels, or the path of a JSON or YAML file
    fov : horizontal field of view in degrees; pixels are square, the principal point central
    Raises JobError if what is given cannot be read or is of another shape than the video.
    """
    height, width = video.size
    if given and fov:
        raise JobError("--intrinsics and --fov: both say the focal length; give one")
    if given:
        return Lens(_given(given, width, height), f"--intrinsics {given}")
    if fov:
        if not MIN_FOV <= fov <= MAX_FOV:
            raise JobError(f"--fov {fov:g}: is not from {MIN_FOV} to {MAX_FOV} degrees")
        return Lens(fov_intrinsics(fov, width, height), f"--fov {fov:g}")
    if equivalent := _metadata_35mm(video):
        focal = equivalent / FILM_DIAGONAL * math.hypot(width, height)
        source = f"metadata of the file: {equivalent:g} mm on 35 mm film"
        return Lens(_central(focal, width, height), source)
    source = f"assumed: a horizontal field of view of {DEFAULT_FOV:g} degrees"
    return Lens(fov_intrinsics(DEFAULT_FOV, width, height), source, assumed=True)


def _central(focal: float, width: int, height: int) -> NDArray[np.float64]:
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])


def _given(text: str, width: int, height: int) -> NDArray[np.float64]:
    if Path(text).is_file():
        return _from_file(Path(text), width, height)
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError:
        raise JobError(
            f"--intrinsics {text!r}: is neither a file nor fx,fy,cx,cy in pixels"
        ) from None
    return _checked(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), text)


def _from_file(path: Path, width: int, height: int) -> NDArray[np.float64]:
    try:
        record = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise JobError(f"--intrinsics {path}: is neither JSON nor YAML ({error})") from None
    if not isinstance(record, Mapping):
        raise JobError(f"--intrinsics {path}: holds no record with fx, fy, cx, cy")
    matrix = _checked(_matrix(record, path), str(path))
    return np.diag([*_scales(record, path, width, height), 1]) @ matrix


def _matrix(record: Mapping[str, Any], path: Path) -> NDArray[np.float64]:
    """From fx, fy, cx, cy, as librealsense writes them too, or K, as ROS does."""
    try:
        for names in NAMES:
            if all(name in record for name in names):
                fx, fy, cx, cy = (float(record[name]) for name in names)
                return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        for name in MATRICES:
            if name in record:
                value = record[name]
                value = value["data"] if isinstance(value, Mapping) else value
                return np.array(value, float).reshape(3, 3)
    except (TypeError, ValueError, KeyError) as error:
        raise JobError(f"--intrinsics {path}: numbers are due ({error})") from None
    raise JobError(f"--intrinsics {path}: has neither fx, fy, cx, cy nor K; add them")


def _scales(record: Mapping[str, Any], path: Path, width: int, height: int) -> tuple[float, float]:
    """By what x and y grow from the picture that was calibrated to the video."""
    wide, high = ([record[n] for n in names if n in record] for names in (WIDTHS, HEIGHTS))
    if not (wide and high):
        return 1.0, 1.0
    x, y = width / float(wide[0]), height / float(high[0])
    if abs(x / y - 1) > ASPECT_TOLERANCE:
        raise JobError(
            f"--intrinsics {path}: is of {wide[0]}x{high[0]} pictures, the video is "
            f"{width}x{height}, of another shape; give those of the video"
        )
    return x, y


def _checked(matrix: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise JobError(f"--intrinsics {name}: focal lengths are positive numbers of pixels")
    return matrix


def _metadata_35mm(video: Video) -> float | None:
    """The focal length on 35 mm film that the camera wrote, None where it wrote none."""
    if not isinstance(video.source, Path):
        return None
    if is_file(video.source):
        return _positive(stream_facts(video.source)[1].get(QUICKTIME_35MM))
    first = pictures(video.source)[0] if video.source.is_dir() else video.source
    with Image.open(first) as picture:
        return _positive(picture.getexif().get_ifd(EXIF_IFD).get(FOCAL_35MM))


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None
