"""Export: every layout holds the same LoRA, and a card says what it is."""

import dataclasses
import json

import dkt_run
import numpy as np
import pytest
import tiny_dkt
import torch
import yaml
from command_line import run_cli
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file
from synthetic import meta, render, write

from transphy3d.dkt.model import lora
from transphy3d.dkt.model.model import load_model
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.export import Wanted, export_lora
from transphy3d.dkt.training.log import TrainingLog
from transphy3d.errors import JobError, ModelError
from transphy3d.files import sha256_file, write_json
from transphy3d.shards.pack import pack
from transphy3d.shards.schema import Attribution

OWED = Attribution(
    asset="bank/vase",
    name="Vase",
    author="A. Potter",
    licence="cc_by",
    version="4.0",
    attribution="Vase by A. Potter (CC BY 4.0)",
    licence_url="",
    url="",
    sha256="0" * 64,
)


def look(network):
    torch.manual_seed(3)
    x, text = torch.randn(1, 48, 2, 4, 4), torch.randn(1, 5, tiny_dkt.TEXT_WIDTH)
    image = torch.zeros(1, 257, tiny_dkt.IMAGE_WIDTH)
    with torch.no_grad():
        return network(x, torch.tensor([500.0]), text, image, return_dict=False)[0]


@pytest.fixture(scope="module")
def trained():
    """A network with a LoRA that changes something."""
    network = tiny_dkt.network()
    lora.attach(network, 4)
    torch.manual_seed(1)
    for parameter in lora.parameters(network):
        torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A run's folder with one checkpoint, its log and its data."""
    root = dkt_run.lay_out(tmp_path_factory.mktemp("export"))
    job = dkt_run.job(root, "validation.max_depth=2")
    write_json(root / "run/job.json", {"job": job.model_dump(mode="json")})
    log = TrainingLog(root / "run", 0)
    log.write(4, loss=0.5)
    log.write(4, rel=0.125, validation_loss=0.25)
    log.close()
    weights = lora.weights(trained)
    average = {key: value / 2 for key, value in weights.items()}
    saved = checkpoint.save(root / "run", checkpoint.Stored(4, weights, average, {}), 0.125)
    return root, saved.path


@pytest.mark.parametrize("layout", ["diffsynth", "comfyui", "peft"])
def test_every_layout_is_read_back_as_the_same_lora(trained, run, tmp_path, layout):
    export_lora(run[1], tmp_path / "a.safetensors", Wanted(layout))
    network = tiny_dkt.network()
    report = lora.load(network, load_file(tmp_path / "a.safetensors"))
    assert (report.modules, report.missing, report.unused, report.silent) == (20, (), (), ())
    assert torch.equal(look(network), look(trained))


def test_layouts_have_the_keys_of_their_programs(run, tmp_path):
    keys = {}
    for layout in ("diffsynth", "comfyui"):
        export_lora(run[1], tmp_path / "a.safetensors", Wanted(layout))
        keys[layout] = set(load_file(tmp_path / "a.safetensors"))
    assert "blocks.1.cross_attn.o.lora_A.default.weight" in keys["diffsynth"]
    assert "diffusion_model.blocks.1.ffn.0.lora_B.weight" in keys["comfyui"]
    assert {len(names) for names in keys.values()} == {40}


def test_diffusers_reads_its_layout_as_the_card_says(trained, run, tmp_path):
    root, path = run
    export_lora(path, tmp_path / "a.safetensors", Wanted("peft"))
    code = (tmp_path / "README.md").read_text().split("```python\n")[1].split("```")[0]
    code = code.replace("wan/transformer", str(root / "network"))
    names = {}
    exec(code.replace('"a.safetensors"', repr(str(tmp_path / "a.safetensors"))), names)
    torch.testing.assert_close(look(names["network"].eval()), look(trained))


def test_a_merged_network_sees_what_base_and_lora_see(trained, run, tmp_path):
    root, path = run
    wanted = Wanted("merged", network=root / "network", dtype="float32")
    export_lora(path, tmp_path / "merged", wanted)
    merged = WanTransformer3DModel.from_pretrained(tmp_path / "merged").eval()
    assert not any("lora" in name for name, _ in merged.named_parameters())
    torch.testing.assert_close(look(merged), look(trained), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(look(merged), look(tiny_dkt.network()), atol=1e-3)
    model, report = load_model(tmp_path / "merged", root / "vae", dtype="float32", device="cpu")
    assert report is None and model.network.config.in_channels == 48
    assert "base_model_relation" not in (tmp_path / "merged/README.md").read_text()
    with pytest.raises(JobError, match="is there already"):
        export_lora(path, tmp_path / "merged", wanted)


def test_the_moving_average_is_taken_where_it_is_asked_for(run, tmp_path):
    export_lora(run[1], tmp_path / "a.safetensors", Wanted("peft", averaged=True))
    stored = load_file(tmp_path / "a.safetensors")
    key = next(iter(stored))
    torch.testing.assert_close(2 * stored[key], load_file(run[1] / "lora.safetensors")[key])


def test_the_card_says_what_the_file_is(run, tmp_path):
    said = run_cli("dkt", "export", run[1], tmp_path / "glass.safetensors", "--license", "mit")
    assert said.returncode == 0, said.stderr
    assert "20 layers of rank 4, 0 missing, 0 keys unused, 0 layers zero" in said.stdout
    card = (tmp_path / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["license"], front["pipeline_tag"]) == ("mit", "depth-estimation")
    assert sha256_file(tmp_path / "glass.safetensors") in card
    assert "4 steps of 4" in card
    assert "| REL | 0.1250 |" in card and "| loss | 0.2500 |" in card
    assert "align video, domain disparity, region all, max_depth 2.0" in card
    assert str(run[0]) not in card


def test_the_card_credits_the_assets_of_the_data(run, tmp_path):
    record = dataclasses.replace(meta(frames=1), attributions=(OWED,))
    write(tmp_path / "in/000000.h5", record, render(record))
    pack(tmp_path / "in", tmp_path / "shards", name="vases")
    root = tmp_path / "other"
    job = json.loads((run[0] / "run/job.json").read_text())
    job["job"]["data"][0]["path"] = str(tmp_path / "shards")
    write_json(root / "job.json", job)
    weights = checkpoint.load(run[1])
    saved = checkpoint.save(root, weights, None)
    export_lora(saved.path, tmp_path / "out/a.safetensors", Wanted())
    card = (tmp_path / "out/README.md").read_text()
    assert "1 asset under cc_by 4.0" in card and "- Vase by A. Potter (CC BY 4.0)" in card
    assert "Not measured at this checkpoint" in card


def test_the_base_is_named_by_the_networks_width(tmp_path):
    for width, name in ((1536, "1.3B"), (5120, "14B")):
        layers = {f"blocks.0.{layer}": layer for layer in lora.LAYERS}
        stored = {f"{n}.lora_A.weight": torch.ones(2, width) for n in layers}
        stored |= {f"{n}.lora_B.weight": torch.ones(width, 2) for n in layers}
        save_file(stored, tmp_path / "a.safetensors")
        export_lora(tmp_path / "a.safetensors", tmp_path / "out/b.safetensors", Wanted())
        front = yaml.safe_load((tmp_path / "out/README.md").read_text().split("---\n")[1])
        assert front["base_model"] == f"alibaba-pai/Wan2.1-Fun-{name}-Control"
        assert front["base_model_relation"] == "adapter"


def test_a_readme_that_is_no_card_is_left_alone(run, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(JobError, match="is no model card"):
        export_lora(run[1], tmp_path / "a.safetensors", Wanted())
    assert not (tmp_path / "a.safetensors").exists()
    export_lora(run[1], tmp_path / "a.safetensors", Wanted(licence=None))
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("pefd"), "did you mean 'peft'"),
        (Wanted("merged"), "belong together"),
        (Wanted("peft", network="x"), "belong together"),
    ],
)
def test_options_that_do_not_fit_are_errors(run, tmp_path, wanted, words):
    with pytest.raises(JobError, match=words):
        export_lora(run[1], tmp_path / "a.safetensors", wanted)


def test_a_lora_that_does_nothing_is_refused(run, tmp_path):
    still = {k: v * ("lora_A" in k) for k, v in load_file(run[1] / "lora.safetensors").items()}
    save_file(still, tmp_path / "still.safetensors")
    with pytest.raises(ModelError, match="it was not trained"):
        export_lora(tmp_path / "still.safetensors", tmp_path / "out.safetensors", Wanted())


def test_half_a_layer_is_not_taken_for_one(run):
    stored = load_file(run[1] / "lora.safetensors")
    del stored["blocks.0.attn1.to_q.lora_B.weight"]
    stored["blocks.0.attn1.to_k.lora_B.weight"].zero_()
    report = lora.load(tiny_dkt.network(), stored)
    assert report.missing == ("blocks.0.attn1.to_q",)
    assert report.unused == ("blocks.0.attn1.to_q.lora_A.weight",)
    assert report.silent == ("blocks.0.attn1.to_k",)
    assert np.isfinite(report.effect)
