"""The tiny decoder: public layout, streaming, and lessons by the autoencoder."""

import dataclasses
import re

import dkt_run
import numpy as np
import pytest
import tiny_dkt
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from synthetic import make
from typer.testing import CliRunner

from transphy3d.cli.dkt.options import dkt_app
from transphy3d.dkt.inference.infer import Settings, estimate
from transphy3d.dkt.inference.video import open_video
from transphy3d.dkt.model.tiny_decoder import TinyDecoder, load_tiny_decoder
from transphy3d.dkt.model.windows import Windows
from transphy3d.dkt.training.data import target
from transphy3d.dkt.training.distil import Lesson, difference, distil, seen, taught
from transphy3d.errors import ModelError
from transphy3d.progress import make_progress
from transphy3d.shards.torch_clips import Clips

NARROW = (16, 12, 8, 8)
VAE = tiny_dkt.vae()


def published():
    """Names and shapes of taew2_1's decoder, counted off its authors' class."""
    shapes = {"1.weight": (256, 16, 3, 3), "1.bias": (256,), "22.weight": (3, 64, 3, 3)}
    shapes["22.bias"] = (3,)
    for first, width, following, times in ((3, 256, 128, 1), (9, 128, 64, 2), (15, 64, 64, 2)):
        for block in range(first, first + 3):
            for conv, inside in ((0, 2 * width), (2, width), (4, width)):
                shapes[f"{block}.conv.{conv}.weight"] = (width, inside, 3, 3)
                shapes[f"{block}.conv.{conv}.bias"] = (width,)
        shapes[f"{first + 4}.conv.weight"] = (width * times, width, 1, 1)
        shapes[f"{first + 5}.weight"] = (following, width, 3, 3)
    return {f"decoder.{name}": shape for name, shape in shapes.items()}


def test_the_decoder_has_the_published_layout():
    found = {name: tuple(value.shape) for name, value in TinyDecoder().state_dict().items()}
    assert found == published()


def test_decoding_latent_by_latent_gives_what_the_whole_gives():
    torch.manual_seed(0)
    decoder, latents = TinyDecoder(NARROW).eval(), torch.randn(1, 16, 4, 3, 5)
    with torch.no_grad():
        whole = seen(decoder, latents[0]).clamp(-1, 1)
    streamed = list(decoder.decode(latents.split(1, 2)))
    assert [frames.shape[2] for frames in streamed] == [1, 4, 4, 4]
    torch.testing.assert_close(torch.cat(streamed, 2)[0], whole, atol=1e-6, rtol=0)


def test_published_files_load_with_an_encoder_and_growth_to_spare(tmp_path):
    torch.manual_seed(0)
    made = TinyDecoder(NARROW)
    stored = made.state_dict()
    kept = stored["decoder.7.conv.weight"]
    grown = {"decoder.7.conv.weight": torch.cat([torch.randn_like(kept), kept])}
    torch.save(stored | grown | {"encoder.0.weight": torch.zeros(3)}, tmp_path / "taew2_1.pth")
    loaded = load_tiny_decoder(tmp_path / "taew2_1.pth", torch.float32)
    latents = torch.randn(2, 16, 2, 2)
    assert torch.equal(loaded(latents, {}), made(latents, {}))


def test_files_that_hold_no_fitting_decoder_say_so(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(ModelError, match=r"none.safetensors: holds no tiny decoder"):
        load_tiny_decoder(tmp_path / "none.safetensors", torch.float32)
    stored = TinyDecoder(NARROW).state_dict()
    other = stored | {"decoder.1.weight": torch.zeros(16, 48, 3, 3)}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match=r"latents of 48 channels, Wan2.1's have 16"):
        load_tiny_decoder(tmp_path / "other.safetensors", torch.float32)
    del stored["decoder.10.conv.2.bias"]
    save_file(stored, tmp_path / "less.safetensors")
    with pytest.raises(ModelError, match=r"another layout \(Missing key.*decoder.10.conv.2.bias"):
        load_tiny_decoder(tmp_path / "less.safetensors", torch.float32)


def test_inference_decodes_by_it(tmp_path):
    torch.manual_seed(0)
    model = dataclasses.replace(tiny_dkt.model(), decoder=TinyDecoder(NARROW).eval())
    video = open_video(np.random.default_rng(0).integers(0, 256, (7, 30, 44, 3), np.uint8))
    settings = Settings(size=(32, 48), windows=Windows(2, 1), steps=1)
    found = np.stack(list(estimate(model, video, settings)))
    plain = np.stack(list(estimate(tiny_dkt.model(), video, settings)))
    assert found.shape == plain.shape == (7, 30, 44)
    assert not np.allclose(found, plain)


def taught_clip(path):
    """Latents and decoded frames of a clip of depth."""
    item = Clips(path, frames=9, size=(32, 48), channels=("rgb", "disparity"))[0]
    return taught(target({name: value[None] for name, value in item.items()}, "depth"), VAE)


def test_lessons_carry_over_to_a_sequence_that_was_not_in_them(tmp_path):
    root = dkt_run.lay_out(tmp_path)
    make(root / "held/000000.h5", frames=10, index=7)
    job = dkt_run.job(root)
    clips = job.clips.model_copy(update={"latents": (3,), "tokens": 3})
    lesson = Lesson(steps=60, rate=1e-2, widths=(32, 16, 16, 8))
    told = make_progress("plain")
    left = distil(
        job.model_copy(update={"clips": clips}), root / "t.safetensors", lesson, "cpu", told
    )
    student = load_tiny_decoder(root / "t.safetensors", torch.float32)
    latents, wanted = taught_clip(root / "held")
    found = float(difference(student, latents, wanted))
    constant = float((wanted - taught_clip(root / "shards")[1].mean()).abs().mean())
    assert found < 0.75 * constant
    assert left < 0.75 * constant


def test_lessons_go_on_from_a_decoder(tmp_path):
    root = dkt_run.lay_out(tmp_path)
    save_file(TinyDecoder(NARROW).state_dict(), root / "start.safetensors")
    lesson = Lesson(steps=1, rate=0.0, start=root / "start.safetensors")
    distil(dkt_run.job(root), root / "same.safetensors", lesson, "cpu", make_progress("plain"))
    before, after = (load_file(root / f"{name}.safetensors") for name in ("start", "same"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_commands_teach_a_decoder_and_see_by_it(tmp_path):
    root = dkt_run.lay_out(tmp_path)
    dkt_run.job(root)
    save_file(TinyDecoder(NARROW).state_dict(), root / "start.safetensors")
    Image.fromarray(np.zeros((30, 44, 3), np.uint8)).save(root / "picture.png")
    taught = invoke(
        *("distil", root / "job-4-0.0.yaml", "--out", root / "t.safetensors", "--steps", 2),
        *("--start", root / "start.safetensors", "--device", "cpu"),
    )
    assert re.search(r"t.safetensors: \d\.\d{4} from the autoencoder", taught)
    seen = ("infer", root / "picture.png", "--network", root / "network", "--vae", root / "vae")
    small = ("--size", "32x48", "--dtype", "float32", "--device", "cpu", "--formats", "npz")
    levers = ("--batch", 2, "--channels-last", "--attention", "_native_math")
    invoke(*seen, *small, *levers, "--out", root / "plain")
    invoke(*seen, *small, "--decoder", root / "t.safetensors", "--out", root / "tiny")
    plain, tiny = (np.load(root / f"{n}/prediction.npz")["disparity"] for n in ("plain", "tiny"))
    assert plain.shape == tiny.shape == (1, 30, 44)
    assert not np.allclose(plain, tiny)


def invoke(*words):
    """What `transphy3d dkt WORDS` prints, run in this process."""
    done = CliRunner().invoke(dkt_app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
