"""The device and the denoiser: chosen, set, and read back, so that nothing falls back silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import bpy

from transphy3d.errors import DeviceError

# In order of preference: OptiX uses NVIDIA's ray tracing cores, which CUDA leaves idle.
BACKENDS = ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL")
NVIDIA = ("OPTIX", "CUDA")


@dataclass(frozen=True)
class Device:
    """What Cycles renders on: backend CPU or one of `BACKENDS`, and the product's name."""

    backend: str
    name: str


def _preferences() -> Any:
    """Cycles' preferences; it is an add-on, and a bare bpy has it switched on."""
    addon = bpy.context.preferences.addons.get("cycles")
    if addon is None:
        raise DeviceError("Blender's Cycles add-on is not enabled: reinstall bpy")
    return addon.preferences


def _on(backend: str) -> list[Any]:
    """Blender's device records of one backend, without the CPU that it lists along."""
    preferences = _preferences()
    known = {entry[0] for entry in preferences.get_device_types(bpy.context)}
    if backend not in known:
        return []
    found = preferences.get_devices_for_type(backend)
    return [device for device in found if device.type == backend]


def devices() -> tuple[Device, ...]:
    """Every device that Cycles can render on, GPUs first, in order of preference."""
    _preferences().refresh_devices()
    gpus = [Device(backend, device.name) for backend in BACKENDS for device in _on(backend)]
    return (*gpus, Device("CPU", _cpu_name()))


def _cpu_name() -> str:
    names = [device.name for device in _preferences().devices if device.type == "CPU"]
    return str(names[0]) if names else "CPU"


def choose_device(wanted: Literal["auto", "gpu", "cpu"]) -> Device:
    """The best device that `wanted` allows. DeviceError if `gpu` is demanded and none is seen."""
    found = devices()
    if wanted == "cpu":
        return found[-1]
    if wanted == "gpu" and found[0].backend == "CPU":
        raise DeviceError(
            "render.device is 'gpu', but Cycles sees none through "
            f"{', '.join(BACKENDS)}; install the driver, check CUDA_VISIBLE_DEVICES, or set "
            "render.device to 'auto' or 'cpu'"
        )
    return found[0]


def set_device(scene: Any, device: Device) -> None:
    """Make Cycles render `scene` on `device` alone; DeviceError if it does not take it."""
    scene.cycles.device = "CPU" if device.backend == "CPU" else "GPU"
    if device.backend == "CPU":
        return
    preferences = _preferences()
    preferences.compute_device_type = device.backend
    preferences.refresh_devices()
    used = None
    for record in preferences.devices:
        record.use = used is None and (record.type, record.name) == (device.backend, device.name)
        used = record if record.use else used
    if used is None or not preferences.has_active_device():
        raise DeviceError(f"Cycles did not accept {device.name} ({device.backend})")


def choose_denoiser(
    wanted: Literal["auto", "optix", "openimagedenoise", "none"], device: Device
) -> str:
    """Cycles' name of the denoiser: OPTIX, OPENIMAGEDENOISE or NONE.

    `auto` is OptiX on NVIDIA GPUs and Open Image Denoise elsewhere. DeviceError if OptiX is
    demanded on another device.
    """
    if wanted == "auto":
        return "OPTIX" if device.backend in NVIDIA else "OPENIMAGEDENOISE"
    if wanted == "optix" and device.backend not in NVIDIA:
        raise DeviceError(
            f"render.denoiser is 'optix', which needs an NVIDIA GPU, but the device is "
            f"{device.name} ({device.backend}); set it to 'auto' or 'openimagedenoise'"
        )
    return wanted.upper()


def set_denoiser(scene: Any, denoiser: str, device: Device) -> None:
    """Switch the denoiser of `scene`; DeviceError if Cycles does not take it.

    Open Image Denoise filters the albedo accurately before it uses it as a guide: with the fast
    filter edges stay jagged. The balanced network costs less than half of the high one.
    """
    cycles = scene.cycles
    cycles.use_denoising = denoiser != "NONE"
    if denoiser == "NONE":
        return
    try:
        cycles.denoiser = denoiser
    except TypeError as error:
        raise DeviceError(f"this Blender has no {denoiser} denoiser: {error}") from error
    # With normals as a guide too, few samples of nested glass come out as a fine hatching.
    cycles.denoising_input_passes = "RGB_ALBEDO"
    cycles.denoising_prefilter = "ACCURATE"
    cycles.denoising_quality = "BALANCED"
    cycles.denoising_use_gpu = device.backend != "CPU"


def assert_effective(scene: Any, device: Device, denoiser: str) -> None:
    """DeviceError if `scene` would render on or denoise with anything else than was chosen."""
    effective = scene.cycles.denoiser if scene.cycles.use_denoising else "NONE"
    wanted = "CPU" if device.backend == "CPU" else "GPU"
    if (scene.cycles.device, effective) != (wanted, denoiser):
        raise DeviceError(
            f"Cycles is set to {scene.cycles.device} with {effective}, not to {wanted} with "
            f"{denoiser}"
        )
