"""What a training job will take: counted on fake tensors, and found again on real ones."""

import json

import dkt_run
import pytest
import tiny_dkt
import torch
from torch.utils.flop_counter import FlopCounterMode

from transphy3d.dkt.config import load_training_job
from transphy3d.dkt.model import lora
from transphy3d.dkt.model.flow import loss
from transphy3d.dkt.model.wan import make_context, network_config, predict
from transphy3d.dkt.training.budget import GB, Budget, describe
from transphy3d.dkt.training.live_bytes import LiveBytes
from transphy3d.dkt.training.step_cost import ATTENTION, Batch, Training, encoding_cost, step_cost
from transphy3d.errors import ModelError

BATCH = Batch(clips=2, latents=3, size=(64, 96))


@pytest.fixture(scope="module")
def real_base(tmp_path_factory):
    """The 1.3B base without its weights, and a job."""
    root = tmp_path_factory.mktemp("real")
    for name, config in (("network", network_config("1.3B")), ("vae", {})):
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(config))
    (root / "job.yaml").write_text(
        "name: real\nbase: {network: network, vae: vae}\ndata: [{path: none}]\n"
        "clips: {latents: [2], tokens: 2}\nrun: {steps: 1000}\n"
    )
    return root / "job.yaml"


def config_of(model):
    return {k: v for k, v in model.config.items() if not k.startswith("_")}


def real_step(checkpointing, layers):
    """One step of a tiny network on real tensors, under a context."""
    network = tiny_dkt.network(layers=layers)
    lora.attach(network, 4)
    network.train()
    if checkpointing:
        network.enable_gradient_checkpointing()
    for parameter in lora.parameters(network):
        parameter.grad = torch.zeros_like(parameter)
    tensors = [*network.parameters(), *network.buffers()]
    tensors += [p.grad for p in lora.parameters(network)]
    x, y, z = (torch.zeros(BATCH.shape) for _ in range(3))
    context = make_context(torch.zeros(1, tiny_dkt.TEXT_WIDTH), tiny_dkt.IMAGE_WIDTH)

    def run(watch):
        with watch:
            sigma = torch.full((BATCH.clips,), 0.5)
            loss(predict(network, x, y, sigma, context), y, z, sigma, x[:, :1]).backward()

    return run, tensors


@pytest.mark.parametrize("checkpointing", [False, True])
def test_real_tensors_take_what_fake_ones_foretell(checkpointing):
    run, tensors = real_step(checkpointing, layers=4)
    run(live := LiveBytes(tensors))
    run(counter := FlopCounterMode(display=False, custom_mapping=ATTENTION))
    network = config_of(tiny_dkt.network(layers=4))
    cost = step_cost(Training(network, 4, torch.float32, checkpointing), BATCH)
    assert cost.flops == counter.get_total_flops()
    assert cost.memory == pytest.approx(live.peak, rel=0.08)


def test_what_is_watched_is_what_torch_allocates():
    """The profiler hears of every allocation and release from torch's own allocator."""
    run, tensors = real_step(False, layers=3)
    run(live := LiveBytes(tensors))
    with torch.profiler.profile(profile_memory=True) as profile:
        run(torch.enable_grad())
    now = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    assert live.peak == pytest.approx(peak, rel=0.15)


def test_checkpointing_trades_memory_for_work():
    network = config_of(tiny_dkt.network(layers=1)) | {"num_layers": 20}
    kept, again = (
        step_cost(Training(network, 4, torch.float32, checkpointing), BATCH)
        for checkpointing in (False, True)
    )
    assert again.memory < kept.memory / 3
    assert kept.flops < again.flops < 2 * kept.flops


def test_the_real_job_fits_where_it_should(real_base):
    budget = Budget.of(load_training_job(real_base), gpus=1)
    assert budget.network_bytes / GB == pytest.approx(2 * 1.56, rel=0.01)
    assert budget.lora_bytes == 16 * budget.sizes.lora
    lines = describe(budget, tflops=100).splitlines()
    hours = budget.flops(budget.steps) + budget.flops(budget.encodings)
    assert f"{hours / 1e14 / 3600:9.2f} h" in next(line for line in lines if "1000 steps" in line)
    assert "1 clip of 5 frames" in next(line for line in lines if "activations" in line)
    disk = next(line for line in lines if "being written" in line)
    assert f"{6 * budget.checkpoint_bytes / GB:9.2f} GB" in disk and "3 best, the last 2" in disk


def test_spreading_saves_memory_and_caching_saves_work(real_base):
    whole = Budget.of(load_training_job(real_base), gpus=8)
    spread = Budget.of(load_training_job(real_base, ["run.sharding=full"]), gpus=8)
    assert spread.lora_bytes == whole.lora_bytes / 8
    assert whole.network_bytes / 8 < spread.network_bytes < whole.network_bytes / 4
    cached = ["clips.cache=none", "clips.shifts=false", "clips.strides=[1, 1]"]
    from_cache = Budget.of(load_training_job(real_base, cached), gpus=8)
    assert from_cache.flops(from_cache.encodings) == 0


def test_encoding_costs_as_much_as_torch_counts_on_real_tensors():
    vae, batch = tiny_dkt.vae(), Batch(clips=1, latents=2, size=(32, 48))
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        vae.encode(torch.zeros(1, 3, 5, 32, 48))
    cost = encoding_cost(config_of(vae), torch.float32, batch)
    assert cost.flops == counter.get_total_flops()


def test_the_dry_run_reads_a_tiny_base_and_no_weights(tmp_path):
    root = dkt_run.lay_out(tmp_path)
    for file in root.glob("*/*.safetensors"):
        file.write_bytes(b"")
    text = describe(Budget.of(dkt_run.job(root, "clips.latents=[1]"), gpus=2), tflops=0.1)
    assert "2 GPUs" in text and "clip" in text
    (root / "network/config.json").unlink()
    with pytest.raises(ModelError, match=r"network: has no config\.json"):
        Budget.of(dkt_run.job(root), gpus=2)
