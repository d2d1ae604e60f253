"""Validation while training: the loss at fixed noise, and real metrics of sampled videos."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from numpy.typing import NDArray

from transphy3d.dkt.config import Task, TrainingJob
from transphy3d.dkt.evaluation.cues import gradient_magnitude
from transphy3d.dkt.evaluation.metrics import DepthScores, Protocol, depth_scores
from transphy3d.dkt.evaluation.metrics import known as counting
from transphy3d.dkt.evaluation.normal_metrics import common_direction, normal_scores
from transphy3d.dkt.model.flow import mix
from transphy3d.dkt.model.model import Model
from transphy3d.dkt.model.sampler import sample
from transphy3d.dkt.model.wan import Context, denormalise, predict
from transphy3d.dkt.training import gallery
from transphy3d.dkt.training.data import CHANNELS, frames_of, known, picture, target
from transphy3d.dkt.training.latents import encode_pixels
from transphy3d.dkt.training.log import TrainingLog
from transphy3d.dkt.training.panels import Panels, depth_panels, normal_panels
from transphy3d.dkt.training.step import Encoded
from transphy3d.errors import JobError
from transphy3d.preview.colour import Picture
from transphy3d.shards.draws import Draw, generator
from transphy3d.shards.torch_clips import Clips, Item
from transphy3d.wording import plural

NOISE_STREAM = 12
LEVELS = (0.9, 0.7, 0.5, 0.3, 0.1)


@dataclass(frozen=True)
class Look:
    """One held-out clip and what the network saw in it.

    item : as `Clips` gives it; predicted : (3, F, H, W) in [-1, 1]
    loss : mean squared error of v over LEVELS
    """

    item: Item
    predicted: torch.Tensor
    loss: float

    @property
    def rgb(self) -> Picture:
        """(F, H, W, 3)."""
        return _last((self.item["rgb"] * 255).round().byte())

    @property
    def depth(self) -> NDArray[np.float32]:
        """(F, H, W) true metres, 0 = unknown."""
        return np.asarray(self.item["depth"][:, 0].numpy())

    @property
    def disparity(self) -> NDArray[np.float32]:
        """(F, H, W) predicted, in [0, 1] but for over- and undershoots, near = 1."""
        return np.asarray(((self.predicted.mean(0) + 1) / 2).numpy())

    @property
    def normal(self) -> NDArray[np.float32]:
        """(F, H, W, 3) true, in camera axes, 0 = unknown."""
        return _last(self.item["normal"])

    @property
    def normals(self) -> NDArray[np.float32]:
        """(F, H, W, 3) predicted, of any length."""
        return _last(self.predicted.transpose(0, 1))

    def panels(self, task: Task) -> Panels:
        """The clip for people."""
        if task == "depth":
            return depth_panels(self.rgb, self.depth, self.disparity)
        return normal_panels(self.rgb, self.normal, self.normals)


def _last(channels: torch.Tensor) -> NDArray[Any]:
    """(F, C, H, W) as an array with channels last."""
    return np.ascontiguousarray(channels.movedim(1, -1).numpy())


@dataclass(frozen=True)
class Validation:
    """Held-out clips, the same at every validation, with the noise that they meet."""

    job: TrainingJob
    vae: AutoencoderKLWan
    context: Context
    clips: Clips

    @staticmethod
    def of(job: TrainingJob, vae: AutoencoderKLWan, context: Context) -> Validation | None:
        """The job's validation; None if it has none. Raises as `open_held_out` does."""
        clips = open_held_out(job)
        return Validation(job, vae, context, clips) if clips else None

    @torch.no_grad()
    def score(
        self,
        network: WanTransformer3DModel,
        root: Path,
        step: int,
        log: TrainingLog | None = None,
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> float:
        """The figure that checkpoints are ranked by, lower is better: REL, or mean degrees.

        Each rank looks at its share of the clips, writes their pictures and videos into the run's
        folder, and learns the figures of all, of which scores leave out clips without a pixel that
        counts. log : gets them and how many clips were scored, on the first rank
        """
        network.eval()
        looks = self._share(network, rank, ranks)
        network.train()
        gallery.write(root, step, {number: self._shown(look) for number, look in looks.items()})
        own = {number: self._figures(look) for number, look in looks.items()}
        figures = _mean([one for _, one in sorted(ChainMap(*gather_object([own])).items())])
        if log:
            log.write(step, **figures)
        return figures["rel" if self.job.task == "depth" else "mean_angle"]

    def _share(self, network: WanTransformer3DModel, rank: int, ranks: int) -> dict[int, Look]:
        """Every ranks-th clip; all ranks look equally often, as a spread network needs."""
        clips = self.job.validation.clips
        numbers = range(rank, ranks * -(-clips // ranks), ranks)
        looks = {number: self._look(network, number % clips) for number in numbers}
        return {number: look for number, look in looks.items() if number < clips}

    def _look(self, network: WanTransformer3DModel, number: int) -> Look:
        item = self.clips[Draw(number)]
        clip = self._encoded(item)
        return Look(item, self._predicted(network, clip, number), self._loss(network, clip, number))

    def _figures(self, look: Look) -> dict[str, float]:
        counts = _counting(look.item, self.job)
        if not counts.any():
            return {"validation_loss": look.loss}
        depth = self.job.task == "depth"
        found = _depth_figures(look, counts) if depth else _normal_figures(look, counts)
        return found | {"validation_loss": look.loss}

    def _shown(self, look: Look) -> gallery.Shown:
        recording = self.clips.sequences[int(look.item["sequence"])]
        return gallery.Shown(recording.name, look.panels(self.job.task), recording.fps)

    def _encoded(self, item: Item) -> Encoded:
        batch = {name: value[None] for name, value in item.items()}
        return Encoded(
            encode_pixels(picture(batch), self.vae),
            encode_pixels(target(batch, self.job.task), self.vae),
            known(batch, self.job.task),
        )

    def _loss(self, network: WanTransformer3DModel, clip: Encoded, number: int) -> float:
        """Mean squared error of v over LEVELS, always against the same noise."""
        noise = _noise(number, clip.target)
        errors = []
        for level in LEVELS:
            sigma = torch.tensor([level])
            v = predict(network, mix(clip.target, noise, sigma), clip.picture, sigma, self.context)
            errors.append(float(((v.float() - (noise - clip.target).float()) ** 2).mean()))
        return float(np.mean(errors))

    def _predicted(
        self, network: WanTransformer3DModel, clip: Encoded, number: int
    ) -> torch.Tensor:
        """A sampled clip, (3, F, H, W) in [-1, 1]."""
        x = _noise(number, clip.target)
        model = Model(network, self.vae, self.context)
        sample(
            model.predict,
            clip.picture,
            x,
            steps=self.job.validation.steps,
            shift=self.job.loss.shift,
        )
        decoded: torch.Tensor = self.vae.decode(denormalise(x.to(self.vae.dtype), self.vae)).sample
        return decoded[0].float().cpu()


def _noise(number: int, like: torch.Tensor) -> torch.Tensor:
    drawn = generator(0, NOISE_STREAM, number).standard_normal(tuple(like.shape), np.float32)
    return torch.from_numpy(drawn).to(like)


def open_held_out(job: TrainingJob) -> Clips | None:
    """The clips that the job's validation looks at; None if it has none.

    Raises ShardError for data that are missing or too short, JobError if no pixel of them counts.
    """
    if job.validation.path is None:
        return None
    channels = (*CHANNELS[job.task], "depth") if job.task == "depth" else CHANNELS[job.task]
    clips = Clips(
        job.validation.path,
        frames=frames_of(job.validation.latents),
        size=job.clips.size,
        channels=channels,
    )
    held_out = (clips[Draw(number)] for number in range(job.validation.clips))
    if not any(_counting(item, job).any() for item in held_out):
        raise JobError(
            f"validation.path: {job.validation.path}: no truth counts in its "
            f"{plural(job.validation.clips, 'clip')} with validation.max_depth: "
            f"{job.validation.max_depth}; raise it or set null, or name other held-out data"
        )
    return clips


def _counting(item: Item, job: TrainingJob) -> NDArray[np.bool_]:
    """(F, H, W) pixels of a clip whose truth is known and near enough to count."""
    if job.task == "normal":
        return np.asarray((item["normal"] != 0).any(1).numpy())
    return counting(item["depth"][:, 0].numpy(), Protocol(max_depth=job.validation.max_depth))


def _mean(figures: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the clips that have it, and of how many clips have all."""
    names = max(figures, key=len)
    means = {name: float(np.mean([f[name] for f in figures if name in f])) for name in names}
    return means | {"scored_clips": sum(len(each) == len(names) for each in figures)}


def _depth_figures(look: Look, mask: NDArray[np.bool_]) -> dict[str, float]:
    """Scores of a clip, and the REL of what needs no model."""
    truth, protocol = look.depth, Protocol()

    def scored(disparity: NDArray[Any]) -> DepthScores:
        return depth_scores(disparity, truth, mask, protocol)

    found = scored(look.disparity)
    return {
        "rel": found.rel,
        "rmse": found.rmse,
        "delta_1.05": found.delta[0],
        "delta_1.25": found.delta[2],
        "rel_constant": scored(np.ones(truth.shape)).rel,
        "rel_image_gradient": scored(gradient_magnitude(look.rgb)).rel,
    }


def _normal_figures(look: Look, known: NDArray[np.bool_]) -> dict[str, float]:
    truth = look.normal
    constant = np.broadcast_to(common_direction(truth), truth.shape)
    return {
        "mean_angle": normal_scores(look.normals, truth, known).mean,
        "mean_angle_constant": normal_scores(constant, truth, known).mean,
    }
