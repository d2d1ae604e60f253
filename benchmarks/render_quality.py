"""Render presets against a reference of many samples: error of display values, and CPU time.

    python benchmarks/render_quality.py [--out OUT] [STAGE ...]

STAGE is a folder with stage.json and meshes, as `run.keep_frames` leaves it; without one, the
two scenes of the preview job at 208x120. OUT keeps the pictures, so a second run renders only
what is missing. Every variant renders the first three frames on the CPU; the first is compared.
Peak signal-to-noise ratio is of 8-bit display values: PSNR = 20 log10(255 / RMSE).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transphy3d.blender.report import read_report
from transphy3d.config import RenderConfig
from transphy3d.job import load_job
from transphy3d.jsonio import from_json, to_json
from transphy3d.pipeline import prepare
from transphy3d.scenes.render_settings import resolve
from transphy3d.scenes.stage import RenderSettings, Stage

TIMED_FRAMES = 3
SEED = 1
REFERENCE_SEED = 1_000_003  # other noise than any variant's


def settings(preset: str, **changes: object) -> RenderSettings:
    """A preset on the CPU with some settings changed."""
    config = RenderConfig(preset=preset, device="cpu")  # type: ignore[arg-type]
    return replace(resolve(config, SEED, threads=0), **changes)  # type: ignore[arg-type]


BASELINE = "64 samples, not denoised"
VARIANTS: dict[str, RenderSettings] = {
    BASELINE: settings("standard", samples=64, denoiser="none"),
    "preview": settings("preview"),
    "standard": settings("standard"),
    "standard, 16 samples": settings("standard", samples=16),
    "standard, no clamp": settings("standard", clamp_indirect=0.0),
    "standard, no caustics": settings("standard", caustics=False),
}


@dataclass(frozen=True)
class Measured:
    """One variant on one stage: dB against the reference, and CPU seconds a frame."""

    psnr: float
    cpu_seconds: float


def preview_stages(out: Path) -> list[Path]:
    """The stages of the preview job's two scenes, small."""
    job = load_job("preview", [f"frames={TIMED_FRAMES}", "width=208", "height=120"])
    stages = [out / f"stage{index}" for index in range(job.sequences)]
    for index, stage in enumerate(stages):
        prepare(job, index, stage, out / "cache")
    return stages


def picture(folder: Path) -> NDArray[np.float64]:
    """The first frame's display values, (H, W, 3)."""
    with Image.open(folder / "frames/rgb/0000.png") as image:
        return np.asarray(image, dtype=np.float64)


def render(stage_folder: Path, folder: Path, render_settings: RenderSettings, frames: int) -> Path:
    """Render `frames` pictures of a stage with other settings into `folder`, unless done."""
    if (folder / "render.json").exists():
        return folder
    stage = from_json(Stage, (stage_folder / "stage.json").read_bytes())
    changed = replace(
        stage,
        render=render_settings,
        phases=("rgb",),
        world_to_camera=stage.world_to_camera[:frames],
    )
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stage_folder / "meshes", folder / "meshes")
    (folder / "stage.json").write_text(to_json(changed))
    command = [sys.executable, "-m", "transphy3d.blender.worker", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Decibels between two 8-bit pictures."""
    return float(20 * np.log10(255 / np.sqrt(np.mean((a - b) ** 2))))


def measure(stage_folder: Path, out: Path, reference_samples: int) -> dict[str, Measured]:
    """All variants on one stage."""
    best = settings("reference", seed=REFERENCE_SEED, samples=reference_samples)
    reference = picture(render(stage_folder, out / "reference", best, 1))
    results = {}
    for number, (name, variant) in enumerate(VARIANTS.items()):
        folder = render(stage_folder, out / f"variant{number}", variant, TIMED_FRAMES)
        report = read_report(folder)
        seconds = report.cpu_seconds["rgb"] / report.frames["rgb"]
        results[name] = Measured(psnr(picture(folder), reference), seconds)
    return results


def table(results: list[dict[str, Measured]]) -> str:
    """Markdown: each variant's PSNR by stage, CPU time and its share of the baseline's."""
    lines = [
        "| variant | PSNR, dB | CPU s a frame | share of baseline's CPU time |",
        "|---|---|---|---|",
    ]
    for name in VARIANTS:
        rows = [result[name] for result in results]
        shares = [row.cpu_seconds / result[BASELINE].cpu_seconds
                  for row, result in zip(rows, results, strict=True)]  # fmt: skip
        cells = (
            " / ".join(f"{row.psnr:.1f}" for row in rows),
            " / ".join(f"{row.cpu_seconds:.2f}" for row in rows),
            " / ".join(f"{share:.0%}" for share in shares),
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stages", type=Path, nargs="*", help="stage folders")
    parser.add_argument("--out", type=Path, help="folder that keeps the pictures")
    parser.add_argument("--reference-samples", type=int, default=2048)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        results = [
            measure(folder, out / f"scene{number}", arguments.reference_samples)
            for number, folder in enumerate(arguments.stages or preview_stages(out))
        ]
    print(table(results))


if __name__ == "__main__":
    main()
