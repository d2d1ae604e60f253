"""A camera's video, recorded first, so that it can be looked at again."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import av

from transphy3d.dkt.inference.decoding import Frame, upright
from transphy3d.dkt.inference.film import add_timed_stream, timed_frame
from transphy3d.errors import DeviceError
from transphy3d.files import replacing
from transphy3d.preview.video import even

RECORDING = "camera.mp4"
# The system's input device in FFmpeg, and how it names its n-th camera.
SYSTEMS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}
PREFIX = "camera:"


def filmed(source: str, out: Path, seconds: float) -> Path:
    """The path that a source names; a camera is recorded into `out` for so long before.

    source : a path, or "camera:" and a camera's number or name, after which FFmpeg's input format
        may stand first: "camera:0", "camera:/dev/video2", "camera:lavfi:testsrc=rate=10"
    """
    if not source.startswith(PREFIX):
        return Path(source)
    kind, name = device(source.removeprefix(PREFIX), sys.platform)
    return record(kind, name, out / RECORDING, seconds)


def device(text: str, system: str) -> tuple[str, str]:
    """FFmpeg's input format and the device's name in it."""
    if system not in SYSTEMS:
        raise DeviceError(
            f"camera:{text}: cameras of {system} are not known; record a file instead"
        )
    kind, numbered = SYSTEMS[system]
    format_name, separator, rest = text.partition(":")
    if separator and re.fullmatch(r"[a-z0-9_]+", format_name):
        return format_name, rest
    if not text.isdigit():
        return kind, text
    if kind == "dshow":  # names its cameras alone
        known = cameras(kind)
        return kind, f"video={known[int(text)]}" if int(text) < len(known) else f"video={text}"
    return kind, numbered.format(text)


def cameras(kind: str) -> list[str]:
    """What an input format finds on this machine; empty where it cannot say."""
    try:
        return [each.name for each in av.enumerate_input_devices(kind)]
    except (av.FFmpegError, ValueError, OSError):
        return []


def record(kind: str, name: str, path: Path, seconds: float) -> Path:
    """Record a camera into an MP4 file, frames at their own times.

    seconds : by the frames' times, not the clock
    Raises DeviceError if the camera cannot be opened, breaks off or gives no picture.
    """
    try:
        with av.open(name, format=kind) as camera:
            return _written(path, _until(camera, seconds))
    except (av.FFmpegError, ValueError, IndexError) as error:
        found = ", ".join(cameras(kind)) or "none"
        raise DeviceError(
            f"camera {name}: {kind} gives no pictures of it ({error}); found are: {found}; check "
            "that it is plugged in and that no other program uses it"
        ) from None


def _until(camera: av.container.InputContainer, seconds: float) -> Iterator[tuple[float, Frame]]:
    start = None
    for frame in camera.decode(camera.streams.video[0]):
        at = frame.time or 0.0
        start = at if start is None else start
        if at - start >= seconds:
            return
        yield at - start, even(upright(frame))


def _written(path: Path, shots: Iterator[tuple[float, Frame]]) -> Path:
    first = next(shots, None)
    if first is None:
        raise ValueError("no frame came")
    with replacing(path) as scratch, av.open(str(scratch), "w", format="mp4") as film:
        stream = add_timed_stream(film, first[1])
        for at, picture in itertools.chain([first], shots):
            film.mux(stream.encode(timed_frame(at, picture)))
        film.mux(stream.encode())
    return path
