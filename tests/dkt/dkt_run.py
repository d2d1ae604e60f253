"""A training job on sequences of spheres, with a tiny base that is written to disk first."""

from pathlib import Path

import tiny_dkt
from synthetic import make

from transphy3d.dkt.config import TrainingJob, load_training_job
from transphy3d.files import write_text

JOB = """
name: tiny
task: depth
seed: 3
base: {{network: network, vae: vae, rank: 4, dtype: float32}}
data:
  - {{path: shards}}
clips: {{size: [32, 48], latents: [1, 2], tokens: 2, flip: 0.5}}
optimiser: {{rate: 1.0e-3, ema: {ema}}}
validation: {{path: shards, every: 4, clips: 1, latents: 1, steps: 2}}
run: {{steps: {steps}, save_every: 2, workers: 0, log_every: 1, checkpointing: false}}
"""


def lay_out(root: Path) -> Path:
    """A folder with the base and two sequences of ten frames."""
    tiny_dkt.network().save_pretrained(root / "network")
    tiny_dkt.vae().save_pretrained(root / "vae")
    for index in range(2):
        make(root / f"shards/{index:06d}.h5", frames=10, index=index)
    return root


def job(root: Path, *overrides: str, steps: int = 4, ema: float = 0.0) -> TrainingJob:
    """The job, read from a file as users write it."""
    path = root / f"job-{steps}-{ema}.yaml"
    write_text(path, JOB.format(steps=steps, ema=ema))  # whole for ranks that write it at once
    return load_training_job(path, overrides)


# The batch that two ranks make together, for one.
DOUBLED = "clips.tokens=4"
