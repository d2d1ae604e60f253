"""What makes inference faster leaves its result alone."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_dkt
import torch

from transphy3d.dkt.inference.infer import Settings, estimate
from transphy3d.dkt.inference.video import open_video
from transphy3d.dkt.model import lora
from transphy3d.dkt.model.sampler import batches, sample
from transphy3d.dkt.model.speed import PLAIN, Speed, speed_up
from transphy3d.dkt.model.wan import make_context, predict
from transphy3d.dkt.model.windows import Windows
from transphy3d.errors import ModelError


def trained(effect=0.02, dtype=torch.float32):
    """A network whose LoRA does something, over weights that bfloat16 holds exactly."""
    network = tiny_dkt.network()
    for parameter in network.parameters():
        parameter.data = parameter.data.bfloat16().to(dtype)
    torch.manual_seed(1)
    lora.attach(network, 4)
    for parameter in lora.parameters(network):
        parameter.data = torch.randn_like(parameter) * effect**0.5 / 2
    return network


def context(tokens=3):
    torch.manual_seed(7)
    return make_context(torch.randn(tokens, tiny_dkt.TEXT_WIDTH), tiny_dkt.IMAGE_WIDTH)


def seen(network, speed, known=None):
    """v of one window by a copy of the network that is sped up."""
    network, known = copy.deepcopy(network), known or context()
    speed_up(network, tiny_dkt.vae(), known, speed)
    kind = network.patch_embedding.weight.dtype
    noisy, picture = torch.randn(2, 2, 16, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        v = predict(network, noisy.to(kind), picture, torch.tensor([0.8, 0.5]), known)
    return v.float()


def distance(found, truth):
    return float((found - truth).norm() / truth.norm())


@pytest.mark.parametrize("tokens", [0, 3, 512])
def test_a_folded_context_gives_what_all_its_tokens_give(tokens):
    whole = seen(trained(), PLAIN, context(tokens))
    folded = seen(trained(), Speed(merged=False), context(tokens))
    torch.testing.assert_close(folded, whole, atol=1e-5, rtol=0)


def test_the_prompt_still_counts_when_it_is_folded():
    assert distance(seen(trained(), Speed(), context(3)), seen(trained(), Speed(), context(0))) > 0


def test_a_merged_lora_gives_what_it_gives_beside_the_weights():
    torch.testing.assert_close(seen(trained(), Speed()), seen(trained(), PLAIN), atol=1e-5, rtol=0)
    assert distance(seen(tiny_dkt.network(), Speed()), seen(trained(), Speed())) > 0.01


def test_merging_in_bfloat16_costs_no_more_than_bfloat16_itself():
    truth = seen(trained(), PLAIN)
    beside = distance(seen(trained(dtype=torch.bfloat16), PLAIN), truth)
    merged = distance(seen(trained(dtype=torch.bfloat16), Speed()), truth)
    assert merged < 1.25 * beside


def test_weights_laid_out_with_channels_last_give_the_same():
    video = open_video(np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), np.uint8))
    settings = Settings(size=(32, 48), windows=Windows(2, 1), steps=1)
    plain, fast = tiny_dkt.model(), tiny_dkt.model()
    speed_up(fast.network, fast.vae, fast.context, Speed(channels_last=True))
    pairs = zip(estimate(plain, video, settings), estimate(fast, video, settings), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_compiled_blocks_give_the_same_and_are_compiled_once_for_all_windows_and_steps():
    torch._dynamo.reset()
    compiled = torch._dynamo.utils.counters["stats"]
    before = compiled["unique_graphs"]
    plain, fast = tiny_dkt.model(), tiny_dkt.model()
    speed_up(fast.network, fast.vae, fast.context, Speed(compiled=True))
    torch.manual_seed(0)
    picture, noise = torch.randn(2, 1, 16, 9, 4, 6)
    one, other = noise.clone(), noise.clone()
    sample(plain.predict, picture, one, steps=2, windows=Windows(4, 2))
    sample(fast.predict, picture, other, steps=2, windows=Windows(4, 2))
    torch.testing.assert_close(other, one, atol=1e-5, rtol=0)
    assert compiled["unique_graphs"] - before == 1


@pytest.mark.parametrize("batch", [2, 3, 9])
def test_windows_seen_together_give_what_they_give_alone(batch):
    model = tiny_dkt.model()
    picture, noise = torch.randn(2, 1, 16, 10, 4, 6, generator=torch.Generator().manual_seed(0))
    alone, together = noise.clone(), noise.clone()
    sample(model.predict, picture, alone, steps=2, windows=Windows(4, 2))
    sample(model.predict, picture, together, steps=2, windows=Windows(4, 2), batch=batch)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_only_windows_of_one_length_are_seen_together():
    released = Windows(shrink_last=True).spans(58)
    assert list(batches(released, 2)) == [((0, 21), (18, 39)), ((36, 57),), ((54, 58),)]


def test_back_ends_that_are_unknown_or_missing_say_what_to_do():
    with pytest.raises(ModelError, match=r"'flash3' is not known; did you mean 'flash'"):
        seen(tiny_dkt.network(), Speed(attention="flash3"))
    with pytest.raises(ModelError, match=r"flash does not run here .*flash-attn.*take native"):
        seen(tiny_dkt.network(), Speed(attention="flash"))
    with pytest.raises(ModelError, match=r"_native_cudnn does not run here on cpu in float32"):
        seen(tiny_dkt.network(), Speed(attention="_native_cudnn"))


def test_another_back_end_attends_alike():
    plain = seen(trained(), Speed())
    other = seen(trained(), Speed(attention="_native_math"))
    torch.testing.assert_close(other, plain, atol=1e-5, rtol=0)


def test_the_benchmark_climbs_its_ladder_on_a_tiny_model(tmp_path):
    script = Path(__file__).parents[2] / "benchmarks/dkt_speed.py"
    options = ["--tiny", "--frames", "9", "--repeats", "1", "--no-compile", "--json"]
    done = subprocess.run(
        [sys.executable, script, *options, tmp_path / "found.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tiny model: nothing here is a figure of the real one" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    names = [rung["name"] for rung in found["rungs"]]
    assert names[:3] == ["LoRA beside the weights", "as released", "+ folded context"]
    for rung in found["rungs"]:
        assert rung["ms"] == pytest.approx(sum(rung["stages_ms"].values()))
