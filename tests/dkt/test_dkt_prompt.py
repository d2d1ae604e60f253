"""Embedded prompts: what diffusers' pipeline and Wan's own text encoder make of a task's word."""

import shutil

import original_wan
import pytest
import tiny_dkt
import torch
from diffusers import WanPipeline
from dkt_run import job, lay_out
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from transphy3d.cli.dkt import training
from transphy3d.dkt import open_model
from transphy3d.dkt.model.model import load_context, load_model, pick_type
from transphy3d.dkt.model.prompt import embed, load_encoder, write_prompts
from transphy3d.dkt.training.trainer import make_trainer
from transphy3d.errors import JobError, ModelError

F32 = torch.float32


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("prompt") / "base"
    return original_wan.write(
        root, tiny_dkt.network(), original_wan.vae(), original_wan.text_encoder()
    )


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("diffusers")
    original_wan.text_encoder().save_pretrained(root / "text_encoder")
    original_wan.tokenizer().save_pretrained(root / "tokenizer")
    return root


def rms_norm(x, weight):
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * weight


def plain_umt5(stored, ids, heads=4):
    """Wan's text encoder written down once more, on its published tensors, without padding."""
    x = stored["token_embedding.weight"][ids]
    count = len(ids)
    distance = torch.arange(count) - torch.arange(count)[:, None]
    table = distance.abs() + 16 * (distance > 0)  # those below 8 have a row each, by sign
    for block in range(2):
        w = {
            key.split(".", 2)[2]: value
            for key, value in stored.items()
            if key.startswith(f"blocks.{block}.")
        }
        h = rms_norm(x, w["norm1.weight"])
        q, k, v = (
            (h @ w[f"attn.{name}.weight"].T).reshape(count, heads, -1).transpose(0, 1)
            for name in "qkv"
        )
        bias = w["pos_embedding.embedding.weight"][table].permute(2, 0, 1)
        seen = (q @ k.transpose(1, 2) + bias).softmax(-1) @ v
        x = x + seen.transpose(0, 1).reshape(count, -1) @ w["attn.o.weight"].T
        h = rms_norm(x, w["norm2.weight"])
        gate = torch.nn.functional.gelu(h @ w["ffn.gate.0.weight"].T, approximate="tanh")
        x = x + (gate * (h @ w["ffn.fc1.weight"].T)) @ w["ffn.fc2.weight"].T
    return rms_norm(x, stored["norm.weight"])


@pytest.mark.parametrize(("task", "ids"), [("depth", [4, 1]), ("normal", [5, 6, 1])])
def test_a_word_embeds_as_in_wans_own_encoder(published, task, ids):
    found = embed(task, *load_encoder(published, F32))
    assert found.shape == (len(ids), tiny_dkt.TEXT_WIDTH)
    stored = torch.load(published / original_wan.TEXT, weights_only=True)
    torch.testing.assert_close(found, plain_umt5(stored, ids), atol=1e-5, rtol=1e-4)


def test_the_context_is_what_diffusers_pipeline_hands_its_network(pipeline_folder, tmp_path):
    pipeline = WanPipeline(original_wan.tokenizer(), original_wan.text_encoder(), None, None)
    with torch.no_grad():
        expected, _ = pipeline.encode_prompt(
            "normal", do_classifier_free_guidance=False, max_sequence_length=512
        )
    depth, normal = write_prompts(tmp_path, *load_encoder(pipeline_folder, F32))
    assert torch.equal(load_context(normal, tiny_dkt.network()).text, expected)
    assert not torch.equal(load_context(depth, tiny_dkt.network()).text, expected)


def test_both_layouts_hold_the_same_encoder(published, pipeline_folder):
    found = [embed("depth", *load_encoder(folder, F32)) for folder in (published, pipeline_folder)]
    assert torch.equal(*found)


def test_a_text_is_cleaned_first(published):
    tools = load_encoder(published, F32)
    assert torch.equal(embed("  &#100;epth\n", *tools), embed("depth", *tools))


def test_the_command_writes_one_file_a_task(pipeline_folder, tmp_path, capsys):
    training.embed(pipeline_folder, tmp_path / "a", device="cpu")
    assert capsys.readouterr().out.split() == [
        str(tmp_path / f"a/prompt-{task}.safetensors") for task in ("depth", "normal")
    ]
    stored = load_file(tmp_path / "a/prompt-depth.safetensors")["prompt"]
    assert stored.dtype == torch.bfloat16 and stored.shape == (2, tiny_dkt.TEXT_WIDTH)
    with safe_open(tmp_path / "a/prompt-depth.safetensors", "pt") as file:
        assert file.metadata() == {"text": "depth"}


def test_an_unknown_type_is_an_error_with_the_nearest_one():
    with pytest.raises(JobError, match=r"'flaot32' is not known; did you mean 'float32'\?"):
        pick_type("flaot32")


def test_a_prompt_must_be_the_tasks_and_of_the_networks_width(published, tmp_path):
    depth, _ = write_prompts(tmp_path, *load_encoder(published, F32))
    network = tiny_dkt.network()
    assert load_context(depth, network, "depth").text.shape == (1, 512, tiny_dkt.TEXT_WIDTH)
    with pytest.raises(ModelError, match="is the prompt 'depth', the task is normal"):
        load_context(depth, network, "normal")
    of_unknown_text = tmp_path / "plain.safetensors"
    save_file({"prompt": torch.ones(2, tiny_dkt.TEXT_WIDTH)}, of_unknown_text)
    assert load_context(of_unknown_text, network, "normal").text.sum() == 64
    save_file({"prompt": torch.ones(2, 7)}, of_unknown_text)
    with pytest.raises(ModelError, match=r"no prompt of width 32; make it .*dkt embed"):
        load_context(of_unknown_text, network)


def test_without_a_name_the_tasks_prompt_beside_the_network_is_taken(published, tmp_path):
    lay_out(tmp_path)
    folders = (tmp_path / "network", tmp_path / "vae")
    assert not load_model(*folders, device="cpu", dtype="float32")[0].context.text.any()
    stored = {"prompt": torch.ones(2, tiny_dkt.TEXT_WIDTH)}
    save_file(stored, tmp_path / "prompt-normal.safetensors", metadata={"text": "normal"})
    opened = open_model(*folders, task="normal", device="cpu", dtype="float32")
    assert opened.model.context.text.sum() == 64
    assert opened.task == "normal"
    trainer = make_trainer(job(tmp_path).model_copy(update={"task": "normal"}), tmp_path / "run")
    assert trainer.context.text.sum() == 64


def test_without_a_prompt_the_text_is_all_zeros():
    assert not load_context(None, tiny_dkt.network()).text.any()


def test_what_is_missing_or_damaged_is_told(pipeline_folder, published, tmp_path):
    with pytest.raises(ModelError, match=r"holds no text encoder; fetch models_t5_umt5-xxl-enc"):
        load_encoder(tmp_path, F32)
    broken = shutil.copytree(pipeline_folder, tmp_path / "broken")
    (broken / "text_encoder/model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="is no folder of a UMT5EncoderModel"):
        load_encoder(broken, F32)
    (broken / "tokenizer/tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tokenizer cannot be read"):
        load_encoder(broken, F32)
    shutil.rmtree(broken / "tokenizer")
    with pytest.raises(ModelError, match="holds no tokenizer"):
        load_encoder(broken, F32)
    shutil.copytree(published, tmp_path / "damaged")
    tensors = torch.load(tmp_path / "damaged" / original_wan.TEXT, weights_only=True)
    tensors["blocks.1.norm2.weight"][0] = torch.nan
    torch.save(tensors, tmp_path / "damaged" / original_wan.TEXT)
    with pytest.raises(ModelError, match="embeds to nothing finite"):
        write_prompts(tmp_path, *load_encoder(tmp_path / "damaged", F32))
    del tensors["blocks.1.norm2.weight"]
    torch.save(tensors, tmp_path / "damaged" / original_wan.TEXT)
    with pytest.raises(ModelError, match=r"1 tensors are missing \(first: encoder\.block\.1"):
        load_encoder(tmp_path / "damaged", F32)
