"""What a worker tells about its work: render.json and error.json. Readable without Blender."""

from __future__ import annotations

import traceback
from pathlib import Path

from transphy3d.files import write_json
from transphy3d.jsonio import from_json, record, to_data

REPORT_NAME = "render.json"
ERROR_NAME = "error.json"
CHATTER_NAME = ".blender.out"  # what Blender prints before it is passed on to the log


@record
class RenderReport:
    """How a stage was rendered, by the process that finished it.

    device : backend, such as CPU, OPTIX, CUDA, HIP, ONEAPI or METAL
    denoiser : NONE, OPTIX or OPENIMAGEDENOISE
    frames : how many this process rendered, by phase; the rest it found done
    seconds, cpu_seconds : by phase, and `start` for all that comes before the first
    peak_memory : bytes of resident memory
    """

    bpy_version: str
    device: str
    device_name: str
    denoiser: str
    frames: dict[str, int]
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    peak_memory: int


@record
class ErrorReport:
    """Why a worker gave up; `phase` is start, truth, behind, rgb or end."""

    type: str
    phase: str
    message: str
    traceback: str


def write_report(folder: Path, report: RenderReport) -> None:
    """Write render.json of a stage folder."""
    write_json(folder / REPORT_NAME, to_data(report))


def read_report(folder: Path) -> RenderReport:
    """Read render.json of a stage folder."""
    return from_json(RenderReport, (folder / REPORT_NAME).read_bytes())


def write_error(folder: Path, phase: str, error: BaseException) -> None:
    """Write error.json of a stage folder."""
    text = "".join(traceback.format_exception(error))
    report = ErrorReport(type=type(error).__name__, phase=phase, message=str(error), traceback=text)
    write_json(folder / ERROR_NAME, to_data(report))


def read_error(folder: Path) -> ErrorReport | None:
    """Read error.json of a stage folder; None if the worker wrote none."""
    path = folder / ERROR_NAME
    return from_json(ErrorReport, path.read_bytes()) if path.exists() else None
