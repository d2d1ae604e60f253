"""Frames of a video file: upright, in 8-bit RGB, each with its time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from transphy3d.dkt.inference.hdr import TRANSFERS, standard_range
from transphy3d.errors import ShardError

Frame = NDArray[np.uint8]
QUARTER = 90


def decoded(path: Path) -> Iterator[tuple[float, Frame]]:
    """(seconds from the first frame, (H, W, 3) uint8) of each frame.

    Turned as the file's display matrix says; alpha is dropped; high dynamic range becomes BT.709,
    with what is brighter than diffuse white clipped. Raises ShardError if the file is no video,
    or ends or is damaged before its time: then it says after which frame.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        count, packets, start, reached = 0, 0, 0.0, 0
        try:
            for packet in container.demux(stream):
                packets += packet.size > 0
                reached = max(reached, (packet.pts or 0) + (packet.duration or 0))
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise _damaged(path, count, "a picture is broken")
                    seconds = _seconds(frame, count, stream)
                    start = start if count else seconds
                    yield seconds - start, upright(frame)
                    count += 1
        except av.FFmpegError as error:
            raise _damaged(path, count, error.strerror) from None
        if packets < stream.frames and not _is_trimmed(stream, reached):
            raise _damaged(path, count, f"the file announces {stream.frames}")


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise ShardError(f"{path}: cannot be decoded ({error}); convert it to .mp4") from None
    with container:
        if not container.streams.video:
            raise ShardError(f"{path}: holds no video stream")
        yield container


def _is_trimmed(stream: av.VideoStream, reached: int) -> bool:
    """Whether an edit list leaves frames out: then what came lasts as long as the file says."""
    return stream.duration is not None and reached >= (stream.start_time or 0) + stream.duration


def _damaged(path: Path, count: int, why: str | None) -> ShardError:
    if not count:
        return ShardError(f"{path}: cannot be decoded ({why}); convert it to .mp4")
    return ShardError(
        f"{path}: is cut short or damaged after frame {count} ({why}); copy the file again, mend "
        f"it with `ffmpeg -i FILE mended.mp4`, or see what is whole with --frames {count}"
    )


def _seconds(frame: av.VideoFrame, number: int, stream: av.VideoStream) -> float:
    """The frame's own time, for phones' frames are not evenly spaced; else by its number."""
    if frame.pts is not None:
        return float(frame.time)
    return number / float(stream.average_rate or 1)


def upright(frame: av.VideoFrame) -> Frame:
    """(H, W, 3) uint8 RGB of a decoded frame."""
    if frame.color_trc in TRANSFERS:
        # FFmpeg would convert it too, but takes seconds a frame.
        deep = np.asarray(frame.to_ndarray(format="rgb48le"), np.uint16)
        picture = standard_range(deep, frame.color_trc)
    else:
        picture = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / QUARTER)))


def stream_facts(path: Path) -> tuple[float | None, dict[str, str]]:
    """Mean frames per second, where the file says it, and the file's metadata."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate) if stream.average_rate else None
        return rate, {**container.metadata, **stream.metadata}


def announced_frames(path: Path) -> int | None:
    """How many frames the file says it has; None where it does not."""
    with _opened(path) as container:
        return container.streams.video[0].frames or None
