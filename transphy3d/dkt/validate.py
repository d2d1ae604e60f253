"""Validation while training: the loss at fixed noise, and real metrics of sampled videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.data import CHANNELS, frames_of, known, picture, target
from transphy3d.dkt.flow import mix
from transphy3d.dkt.latents import encode_pixels
from transphy3d.dkt.log import TrainingLog
from transphy3d.dkt.metrics import DepthScores, Protocol, depth_scores, mean_scores
from transphy3d.dkt.model import Model
from transphy3d.dkt.normal_metrics import NormalScores, normal_scores
from transphy3d.dkt.sampler import sample
from transphy3d.dkt.step import Encoded
from transphy3d.dkt.wan import Context, denormalise, predict
from transphy3d.shards.draws import Draw, generator
from transphy3d.shards.torch_clips import Clips, Item

NOISE_STREAM = 12
LEVELS = (0.9, 0.7, 0.5, 0.3, 0.1)


@dataclass(frozen=True)
class Validation:
    """Held-out clips, the same at every validation, with the noise that they meet."""

    job: TrainingJob
    vae: AutoencoderKLWan
    context: Context
    clips: Clips

    @staticmethod
    def of(job: TrainingJob, vae: AutoencoderKLWan, context: Context) -> Validation | None:
        """The job's validation; None if it has none."""
        if job.validation.path is None:
            return None
        channels = (*CHANNELS[job.task], "depth") if job.task == "depth" else CHANNELS[job.task]
        clips = Clips(
            job.validation.path,
            frames=frames_of(job.validation.latents),
            size=job.clips.size,
            channels=channels,
        )
        return Validation(job, vae, context, clips)

    @torch.no_grad()
    def score(
        self, network: WanTransformer3DModel, root: Path, step: int, log: TrainingLog | None
    ) -> float:
        """The figure that checkpoints are ranked by, lower is better: REL, or mean degrees."""
        network.eval()
        items = [self.clips[Draw(n)] for n in range(self.job.validation.clips)]
        losses = [self._loss(network, self._encoded(item), n) for n, item in enumerate(items)]
        figures = self._metrics(network, items) | {"validation_loss": float(np.mean(losses))}
        network.train()
        if log:
            log.write(step, **figures)
        return figures["rel" if self.job.task == "depth" else "mean_angle"]

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

    def _metrics(self, network: WanTransformer3DModel, items: list[Item]) -> dict[str, float]:
        found = [self.predicted(network, item, number) for number, item in enumerate(items)]
        if self.job.task == "depth":
            return _depth_figures([_depth(p, i) for p, i in zip(found, items, strict=True)])
        return _normal_figures([_normal(p, i) for p, i in zip(found, items, strict=True)])

    def predicted(self, network: WanTransformer3DModel, item: Item, number: int) -> torch.Tensor:
        """A sampled clip, (3, F, H, W) in [-1, 1]."""
        clip = self._encoded(item)
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


def _depth(predicted: torch.Tensor, item: Item) -> DepthScores:
    near = ((predicted.mean(0) + 1) / 2).numpy()
    truth = item["depth"][:, 0].numpy()
    return depth_scores(near, truth, truth > 0, Protocol())


def _normal(predicted: torch.Tensor, item: Item) -> NormalScores:
    truth = item["normal"].movedim(1, -1).numpy()
    return normal_scores(predicted.movedim(0, -1).numpy(), truth, (truth != 0).any(-1))


def _depth_figures(scores: list[DepthScores]) -> dict[str, float]:
    mean = mean_scores(scores)
    return {"rel": mean.rel, "rmse": mean.rmse, "delta_1.05": mean.delta[0]}


def _normal_figures(scores: list[NormalScores]) -> dict[str, float]:
    return {"mean_angle": float(np.mean([s.mean for s in scores]))}
