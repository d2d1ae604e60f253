"""From a downloaded base to folders that training and inference read."""

import errno

import dkt_run
import original_wan
import pytest
import tiny_dkt
import torch
from command_line import run_cli
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from synthetic import make

from transphy3d.dkt.config import load_training_job
from transphy3d.dkt.model.convert import convert_base
from transphy3d.dkt.training.log import read_log
from transphy3d.dkt.training.train import train
from transphy3d.errors import DiskFull, ModelError
from transphy3d.progress import make_progress

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("convert") / "Wan2.1-Fun-1.3B-Control"
    models = tiny_dkt.network().bfloat16(), original_wan.vae(), original_wan.text_encoder()
    return original_wan.write(root, *models)


def test_a_download_is_two_commands_away_from_training(published, tmp_path):
    said = run_cli("dkt", "convert", published, "--out", tmp_path / "base", "--device", "cpu")
    assert said.returncode == 0, said.stderr
    names = ("transformer", "vae", "prompt-depth.safetensors", "prompt-normal.safetensors")
    assert said.stdout.split() == [str(tmp_path / "base" / name) for name in names]
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == sorted(names)
    make(tmp_path / "shards/000000.h5", frames=10)
    text = dkt_run.JOB.format(steps=1, ema=0)
    base = "network: base/transformer, vae: base/vae, prompt: base/prompt-depth.safetensors"
    (tmp_path / "job.yaml").write_text(text.replace("network: network, vae: vae", base))
    train(load_training_job(tmp_path / "job.yaml"), tmp_path / "run", make_progress("json"))
    losses = [line["loss"] for line in read_log(tmp_path / "run") if "loss" in line]
    assert len(losses) == 1 and losses[0] > 0


def test_converted_weights_are_the_downloaded_ones_in_their_type(published, tmp_path):
    convert_base(published, tmp_path, CPU, prompts=False)
    network = WanTransformer3DModel.from_pretrained(tmp_path / "transformer")
    vae = AutoencoderKLWan.from_pretrained(tmp_path / "vae")
    for found, expected in (
        (network, tiny_dkt.network().bfloat16()),
        (vae, original_wan.vae()),
    ):
        assert found.state_dict().keys() == expected.state_dict().keys()
        for name, value in expected.state_dict().items():
            assert torch.equal(found.state_dict()[name].to(value.dtype), value)
    stored = load_file(tmp_path / "transformer" / original_wan.NETWORK)
    assert {value.dtype for value in stored.values()} == {torch.bfloat16}
    assert vae.dtype == torch.float32
    assert not list(tmp_path.glob("prompt-*"))


def test_nothing_is_written_unless_all_can_be_read(published, tmp_path):
    whole = original_wan.TEXT, original_wan.VAE
    for name in whole:
        (published / name).rename(tmp_path / name)
        try:
            with pytest.raises(ModelError, match=name):
                convert_base(published, tmp_path / "base", CPU, prompts=True)
        finally:
            (tmp_path / name).rename(published / name)
    assert not (tmp_path / "base").exists()


def test_a_folder_of_diffusers_needs_no_converting(tmp_path):
    tiny_dkt.network().save_pretrained(tmp_path / "transformer")
    with pytest.raises(ModelError, match="is a diffusers folder already"):
        convert_base(tmp_path / "transformer", tmp_path / "base", CPU, prompts=True)
    with pytest.raises(ModelError, match="its subfolder transformer"):
        convert_base(tmp_path, tmp_path / "base", CPU, prompts=True)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_leaves_what_was_there_whole(published, tmp_path, monkeypatch, error):
    convert_base(published, tmp_path, CPU, prompts=False)
    before = sorted(tmp_path.rglob("*"))

    def fail(model, folder):
        (folder / "part").write_bytes(b"1")
        raise error

    monkeypatch.setattr(AutoencoderKLWan, "save_pretrained", fail)
    with pytest.raises((DiskFull, OSError), match="No space left"):
        convert_base(published, tmp_path, CPU, prompts=False)
    assert sorted(tmp_path.rglob("*")) == before
