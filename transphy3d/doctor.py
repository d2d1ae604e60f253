"""What this machine has, what it lacks for TransPhy3D, and what to do about each lack."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transphy3d.cores import usable_cores
from transphy3d.errors import RunError

Status = Literal["ok", "warn", "fail"]

PYTHON = (3, 11)
PROBE_SECONDS = 180
GIB = 1 << 30
# A 4K frame with its denoising buffers takes about 4 GiB; Blender itself half a GiB.
MEMORY_WARN_BYTES = 6 * GIB
DISK_WARN_BYTES = 20 * GIB
DISK_FAIL_BYTES = 1 * GIB

# Library file to (Debian or Ubuntu, Fedora) package, for all that bpy's wheels do not carry.
PACKAGES: dict[str, tuple[str, str]] = {
    "libX11.so.6": ("libx11-6", "libX11"),
    "libXrender.so.1": ("libxrender1", "libXrender"),
    "libXi.so.6": ("libxi6", "libXi"),
    "libXxf86vm.so.1": ("libxxf86vm1", "libXxf86vm"),
    "libXfixes.so.3": ("libxfixes3", "libXfixes"),
    "libXext.so.6": ("libxext6", "libXext"),
    "libXrandr.so.2": ("libxrandr2", "libXrandr"),
    "libXcursor.so.1": ("libxcursor1", "libXcursor"),
    "libXinerama.so.1": ("libxinerama1", "libXinerama"),
    "libxkbcommon.so.0": ("libxkbcommon0", "libxkbcommon"),
    "libSM.so.6": ("libsm6", "libSM"),
    "libICE.so.6": ("libice6", "libICE"),
    "libGL.so.1": ("libgl1", "mesa-libGL"),
    "libEGL.so.1": ("libegl1", "mesa-libEGL"),
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libwayland-client.so.0": ("libwayland-client0", "libwayland-client"),
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at, of plain strings; `remedy` is empty when nothing need be done."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Probe:
    """How a child Python ended; `code` is negative for a signal, None for a time-out."""

    code: int | None
    out: str
    err: str


def probe(script: str) -> Probe:
    """Run a script in a fresh Python, so that a crash there is an answer and not our end."""
    command = [sys.executable, "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return Probe(None, "", f"no answer within {PROBE_SECONDS} s")
    return Probe(done.returncode, done.stdout, done.stderr)


def last_line(text: str) -> str:
    """The last line that says anything; of a traceback, the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def ending(result: Probe) -> str:
    """How a failed probe ended, in words."""
    if result.code is None:
        return result.err
    if result.code < 0:
        return f"crashed with signal {-result.code}: {last_line(result.err)}"
    return last_line(result.err)


def answer(result: Probe) -> Any:
    """The JSON on a probe's last line, below whatever libraries print."""
    return json.loads(last_line(result.out))


def check_python(version: tuple[int, int], system: str) -> Finding:
    """Blender publishes bpy 4.5 LTS for one Python only."""
    detail = f"Python {version[0]}.{version[1]} on {system}"
    if version == PYTHON:
        return Finding("python", "ok", detail)
    remedy = "bpy 4.5 LTS has wheels for Python 3.11 only: make an environment with 3.11"
    return Finding("python", "fail", detail, remedy)


def missing_in_error(message: str) -> list[str]:
    """Library names in the dynamic loader's "cannot open shared object file" messages."""
    return re.findall(r"([\w.+-]+\.so[\w.]*): cannot open shared object file", message)


def missing_in_ldd(listing: str) -> list[str]:
    """Library names that `ldd` reports as not found."""
    return re.findall(r"^\s*(\S+) => not found", listing, flags=re.MULTILINE)


def install_command(libraries: Iterable[str]) -> str:
    """How to install the packages that hold these libraries, and which have no known package."""
    names = sorted(set(libraries))
    pairs = [PACKAGES[name] for name in names if name in PACKAGES]
    unknown = [name for name in names if name not in PACKAGES]
    parts = []
    if pairs:
        parts.append("Debian or Ubuntu: apt install " + " ".join(pair[0] for pair in pairs))
        parts.append("Fedora: dnf install " + " ".join(pair[1] for pair in pairs))
    if unknown:
        parts.append("find the package that holds " + ", ".join(unknown))
    return "; ".join(parts)


def check_libraries(missing: Sequence[str]) -> Finding:
    """Libraries of the system that bpy links to; minimal container images lack several."""
    if not missing:
        return Finding("system libraries", "ok", "all that bpy links to are there")
    detail = "missing: " + ", ".join(sorted(set(missing)))
    return Finding("system libraries", "fail", detail, install_command(missing))


def check_bpy(result: Probe) -> Finding:
    """Whether bpy imports, and which version it is."""
    if result.code == 0:
        return Finding("bpy", "ok", f"bpy {answer(result)}")
    detail = ending(result)
    missing = missing_in_error(result.err)
    if missing:
        remedy = install_command(missing)
    elif "No module named" in detail:
        remedy = 'with Python 3.11: pip install "bpy>=4.5,<4.6"'
    else:
        remedy = "reinstall bpy; if it still ends so, the processor may lack SSE4.2"
    return Finding("bpy", "fail", detail, remedy)


def bpy_binary() -> Path | None:
    """The shared object behind `import bpy`, found without loading it."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("__init__*.so"))), None)


def unresolved_libraries(binary: Path | None) -> list[str]:
    """What the dynamic loader would not find for `binary`; empty where there is no ldd."""
    ldd = shutil.which("ldd")
    if binary is None or ldd is None:
        return []
    done = subprocess.run([ldd, str(binary)], capture_output=True, text=True)
    return missing_in_ldd(done.stdout)


def check_devices(result: Probe) -> Finding:
    """Render devices by type; without a GPU Cycles renders on the processor."""
    if result.code != 0:
        remedy = "see the finding on bpy; after that, reinstall transphy3d"
        return Finding("render devices", "fail", ending(result), remedy)
    devices = answer(result)
    detail = "; ".join(f"{device['type']}: {device['name']}" for device in devices)
    if any(device["type"] != "CPU" for device in devices):
        return Finding("render devices", "ok", detail)
    remedy = (
        "for a GPU: install the vendor's driver (in a container also its runtime, for instance "
        "`--gpus all`), and run doctor again; the processor gives the same data, more slowly"
    )
    return Finding("render devices", "warn", detail or "none", remedy)


def check_denoisers(result: Probe) -> Finding:
    """OpenImageDenoise runs anywhere, OptiX on NVIDIA's RTX GPUs."""
    if result.code != 0:
        return Finding("denoisers", "fail", ending(result), "see the finding on bpy")
    names: list[str] = answer(result)
    if names:
        return Finding("denoisers", "ok", ", ".join(names))
    remedy = "this bpy was built without: take the official wheel, or set render.denoiser to none"
    return Finding("denoisers", "warn", "none", remedy)


def check_cores(cores: int) -> Finding:
    """Processor cores that this process may use."""
    return Finding("processor", "ok", f"{cores} cores to use")


def check_memory(available: int) -> Finding:
    """Memory that this process may use, in bytes."""
    detail = f"{available / GIB:.1f} GiB"
    if available >= MEMORY_WARN_BYTES:
        return Finding("memory", "ok", detail)
    remedy = "set run.workers to 1 and keep the resolution at or below 1280x720"
    return Finding("memory", "warn", detail, remedy)


def check_disk(name: str, folder: Path, free: int) -> Finding:
    """Free bytes where results or temporary files go."""
    detail = f"{free / GIB:.1f} GiB free at {folder}"
    if free >= DISK_WARN_BYTES:
        return Finding(name, "ok", detail)
    remedy = "make room"
    remedy += ", or set TMPDIR to a larger disk" if name == "temporary folder" else ""
    return Finding(name, "fail" if free < DISK_FAIL_BYTES else "warn", detail, remedy)


def check_import(name: str, package: str, result: Probe) -> Finding:
    """A package that answers with its version in a fresh Python."""
    if result.code == 0:
        return Finding(name, "ok", f"{package} {answer(result)}")
    missing = missing_in_error(result.err)
    remedy = install_command(missing) if missing else f"pip install --force-reinstall {package}"
    return Finding(name, "fail", ending(result), remedy)


def cgroup_limit(path: Path = Path("/sys/fs/cgroup/memory.max")) -> int | None:
    """A container's memory limit in bytes, None where there is none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def usable_memory() -> int:
    """Bytes of memory: the machine's, or the container's limit where that is lower."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, cgroup_limit() or machine)


def existing_parent(path: Path) -> Path:
    """The nearest folder at or above `path` that exists."""
    return next(folder for folder in (path, *path.resolve().parents) if folder.is_dir())


BPY_PROBE = "import bpy, json; print(); print(json.dumps(bpy.app.version_string))"
DEVICE_PROBE = """
import json
from transphy3d.blender.device import devices
found = devices()
print()
print(json.dumps([{"name": device.name, "type": device.backend} for device in found]))
"""
DENOISER_PROBE = """
import json
from transphy3d.blender.device import devices
import _cycles
names = ["OpenImageDenoise"] if _cycles.with_openimagedenoise else []
optix = any(device.backend == "OPTIX" for device in devices())
print()
print(json.dumps(names + (["OptiX"] if optix else [])))
"""
CODEC_PROBE = """
import json
import h5py, hdf5plugin
import numpy as np
data = np.arange(4096, dtype=np.float32).reshape(64, 64)
with h5py.File("probe", "w", driver="core", backing_store=False) as file:
    for name in ("blosclz", "zstd"):
        filters = hdf5plugin.Blosc2(cname=name, filters=hdf5plugin.Blosc2.SHUFFLE)
        stored = file.create_dataset(name, data=data, chunks=(64, 64), **filters)
        assert stored.id.get_storage_size() < data.nbytes, "data was not compressed"
        assert (stored[:] == data).all(), "data came back changed"
import blosc2
assert (blosc2.unpack_array2(blosc2.pack_array2(data)) == data).all(), "blosc2 changed data"
print()
print(json.dumps(f"{hdf5plugin.version}, blosc2 {blosc2.__version__}"))
"""
PHYSICS_PROBE = """
import json
from importlib.metadata import version
import pybullet
pybullet.disconnect(pybullet.connect(pybullet.DIRECT))
print()
print(json.dumps(version("pybullet")))
"""
VIDEO_PROBE = """
import json
import av
av.codec.Codec("libx264", "w")
print()
print(json.dumps(f"{av.__version__} with libx264"))
"""


def check_out(out: Path | None) -> Finding:
    """Room for results at `out`, or in the working folder."""
    folder = existing_parent(out or Path.cwd())
    return check_disk("output folder", folder, shutil.disk_usage(folder).free)


def check_temporary() -> Finding:
    """Room for what `replay` renders; a run keeps everything in its own folder."""
    folder = Path(tempfile.gettempdir())
    return check_disk("temporary folder", folder, shutil.disk_usage(folder).free)


def diagnose(out: Path | None = None) -> list[Finding]:
    """Look at everything that making a data set needs.

    out : where results would go; it need not exist yet
    Whatever could crash is tried in a child process. Takes some seconds.
    """
    checks: list[Callable[[], Finding]] = [
        lambda: check_python(sys.version_info[:2], f"{platform.system()} {platform.machine()}"),
        lambda: check_libraries(unresolved_libraries(bpy_binary())),
        lambda: check_bpy(probe(BPY_PROBE)),
        lambda: check_devices(probe(DEVICE_PROBE)),
        lambda: check_denoisers(probe(DENOISER_PROBE)),
        lambda: check_cores(usable_cores()),
        lambda: check_memory(usable_memory()),
        functools.partial(check_out, out),
        check_temporary,
        lambda: check_import("HDF5 codecs", "hdf5plugin", probe(CODEC_PROBE)),
        lambda: check_import("physics", "pybullet", probe(PHYSICS_PROBE)),
        lambda: check_import("video", "av", probe(VIDEO_PROBE)),
    ]
    return [check() for check in checks]


def render(findings: Sequence[Finding]) -> str:
    """The findings as lines for a terminal, each remedy under its finding."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<4}  {finding.name:<{width}}  {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  -> {finding.remedy}")
    return "\n".join(lines)


def install_libraries() -> list[str]:
    """Install what bpy's shared object lacks, where that needs nobody's leave.

    Returns the packages installed: none where nothing is missing. Raises RunError with the
    command to run by hand when this is not root on a system with apt.
    """
    missing = unresolved_libraries(bpy_binary())
    packages = sorted({PACKAGES[name][0] for name in missing if name in PACKAGES})
    if not packages:
        return []
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise RunError(f"Blender lacks system libraries; {install_command(missing)}")
    for words in (
        ["update", "-qq"],
        ["install", "-qq", "-y", "--no-install-recommends", *packages],
    ):
        if subprocess.run([apt, *words], check=False, stdout=subprocess.DEVNULL).returncode:
            raise RunError(f"apt-get {words[0]} failed; {install_command(missing)}")
    return packages
