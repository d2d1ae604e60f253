"""Checkpoints as Wan's authors publish them: models come out exactly, wrong files as errors."""

import json
import pickle
import shutil
import socket

import original_wan
import pytest
import tiny_dkt
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file
from transformers import UMT5Config, UMT5EncoderModel

from transphy3d.dkt.model import original
from transphy3d.dkt.model.model import load_vae
from transphy3d.dkt.model.wan import HEAD_WIDTH, load_network, network_config
from transphy3d.errors import ModelError

F32 = torch.float32


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("original") / "Wan2.1-Fun-1.3B-Control"
    models = tiny_dkt.network(), original_wan.vae(), original_wan.text_encoder()
    return original_wan.write(root, *models)


@pytest.fixture
def folder(published, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(published, tmp_path / "copy")


def change(path, alter):
    tensors = load_file(path)
    alter(tensors)
    save_file(tensors, path)


def look(network):
    torch.manual_seed(3)
    x, text = torch.randn(1, 48, 2, 4, 4), torch.randn(1, 512, tiny_dkt.TEXT_WIDTH)
    image = torch.randn(1, 257, tiny_dkt.IMAGE_WIDTH)
    with torch.no_grad():
        return network(x, torch.tensor([500.0]), text, image, return_dict=False)[0]


def assert_same_models(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(
        torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items()
    )


def test_a_published_network_sees_what_the_same_one_sees_in_diffusers(published):
    loaded = load_network(published, F32)
    assert torch.equal(look(loaded), look(tiny_dkt.network()))
    assert not loaded.training


def test_a_network_in_shards_is_put_together(folder):
    whole = load_file(folder / original_wan.NETWORK)
    (folder / original_wan.NETWORK).unlink()
    names = sorted(whole)
    files = [f"diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for file, part in zip(files, (names[::2], names[1::2]), strict=True):
        save_file({name: whole[name] for name in part}, folder / file)
    assert_same_models(load_network(folder, F32), tiny_dkt.network())
    index = {name: files[n % 2] for n, name in enumerate(names)}
    text = json.dumps({"metadata": {}, "weight_map": index})
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(text)
    assert_same_models(load_network(folder, F32), tiny_dkt.network())
    (folder / files[1]).unlink()
    with pytest.raises(ModelError, match=r"1 of 2 shards are missing, the first is .*00002-of"):
        load_network(folder, F32)


def test_a_network_may_be_a_pickle_of_tensors(folder):
    torch.save(load_file(folder / original_wan.NETWORK), folder / "diffusion_pytorch_model.pth")
    (folder / original_wan.NETWORK).unlink()
    assert_same_models(load_network(folder, F32), tiny_dkt.network())


def test_the_type_is_the_one_asked_for(published):
    assert load_network(published, torch.bfloat16).patch_embedding.weight.dtype == torch.bfloat16
    assert load_vae(published, torch.bfloat16).dtype == torch.bfloat16


def test_a_published_autoencoder_codes_as_the_same_one_in_diffusers(published):
    loaded, same = load_vae(published, F32), original_wan.vae()
    video = torch.rand(1, 3, 5, 32, 48) * 2 - 1
    with torch.no_grad():
        latents = loaded.encode(video).latent_dist.mode()
        assert torch.equal(latents, same.encode(video).latent_dist.mode())
        assert torch.equal(loaded.decode(latents).sample, same.decode(latents).sample)
    assert loaded.config.latents_mean == same.config.latents_mean


def test_a_pickle_of_the_time_before_zip_archives_is_read_too(folder):
    tensors = torch.load(folder / original_wan.VAE, weights_only=True)
    torch.save(tensors, folder / original_wan.VAE, _use_new_zipfile_serialization=False)
    assert_same_models(load_vae(folder, F32), original_wan.vae())


def test_a_published_text_encoder_is_the_same_one_in_transformers(published):
    loaded = original.load_text_encoder(published / original_wan.TEXT)
    same = original_wan.text_encoder()
    assert_same_models(loaded, same)
    tokens = torch.tensor([[4, 1, 0, 0]])
    mask = torch.tensor([[1, 1, 0, 0]])
    with torch.no_grad():
        assert torch.equal(loaded(tokens, mask)[0], same(tokens, mask)[0])


@pytest.mark.parametrize(("size", "blocks"), [("1.3B", 30), ("14B", 40)])
def test_the_real_networks_sizes_are_read_off_their_shapes(size, blocks):
    with torch.device("meta"):
        network = WanTransformer3DModel(**network_config(size))
    stored = {original_wan.network_key(key): v for key, v in network.state_dict().items()}
    assert len(stored) == 32 * blocks + 23
    found = original.network_config(stored)
    width = found.pop("width")
    found |= {"num_attention_heads": width // HEAD_WIDTH, "attention_head_dim": HEAD_WIDTH}
    assert {key: network.config[key] for key in found} == found
    assert network_config(size).items() <= found.items()


def test_the_real_text_encoders_sizes_are_read_off_its_shapes():
    """24 blocks of ten tensors, the embedding and the last norm: umt5_xxl of wan/modules/t5.py."""
    sizes = {"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240}
    sizes |= {"num_layers": 24, "num_heads": 64, "relative_attention_num_buckets": 32}
    with torch.device("meta"):
        stored = original_wan.published_text(UMT5EncoderModel(UMT5Config(**sizes)))
    assert len(stored) == 10 * 24 + 2
    assert sum(value.numel() for value in stored.values()) * 2 / 1e9 == pytest.approx(11.4, abs=0.1)
    assert original.text_config(stored) == sizes


def test_other_checkpoints_of_wan_are_refused_by_name(folder):
    file = folder / original_wan.NETWORK

    def channels(count):
        return lambda t: t.update(
            {"patch_embedding.weight": t["patch_embedding.weight"][:, :count].clone()}
        )

    change(file, lambda t: t.update({f"ref_conv.{k}": torch.zeros(4) for k in ("weight", "bias")}))
    with pytest.raises(ModelError, match=r"ref_conv, as Fun-Control 1\.1 does; take Wan2\.1-Fun"):
        load_network(folder, F32)
    change(file, channels(36))
    with pytest.raises(ModelError, match="takes 36 channels, as an image-to-video or inpainting"):
        load_network(folder, F32)
    change(file, channels(16))
    with pytest.raises(
        ModelError, match="takes 16 channels, as a text-to-video model does, not 48"
    ):
        load_network(folder, F32)


def test_a_network_without_the_image_branch_is_refused(folder):
    def cut(tensors):
        for key in [key for key in tensors if "img" in key]:
            del tensors[key]

    change(folder / original_wan.NETWORK, cut)
    with pytest.raises(ModelError, match="has no image branch"):
        load_network(folder, F32)


def test_a_tensor_too_few_too_many_or_of_another_shape_is_named(folder):
    file = folder / original_wan.NETWORK
    change(file, lambda t: t.update({"control_adapter.conv.weight": torch.zeros(1)}))
    with pytest.raises(ModelError, match=r"1 have no place \(first: control_adapter"):
        load_network(folder, F32)
    change(file, lambda t: (t.pop("control_adapter.conv.weight"), t.pop("head.head.weight")))
    with pytest.raises(ModelError, match=r"1 tensors are missing \(first: proj_out\.weight\)"):
        load_network(folder, F32)
    change(file, lambda t: t.update({"head.head.weight": torch.zeros(64, 1)}))
    with pytest.raises(ModelError, match=r"proj_out.weight is \(64, 1\), not \(64, 48\)"):
        load_network(folder, F32)


def test_a_diffusers_folder_that_lacks_a_tensor_is_not_filled_with_random_numbers(tmp_path):
    tiny_dkt.network().save_pretrained(tmp_path)
    change(tmp_path / original_wan.NETWORK, lambda t: t.pop("proj_out.weight"))
    with pytest.raises(ModelError, match=r"lacks 1 tensors of .*, the first is proj_out\.weight"):
        load_network(tmp_path, F32)


def test_files_of_diffusers_under_wans_config_are_told_apart(folder):
    tiny_dkt.network().save_pretrained(folder / "diffusers")
    shutil.copy(folder / "diffusers" / original_wan.NETWORK, folder / original_wan.NETWORK)
    with pytest.raises(ModelError, match="is not Wan's network as its authors publish it"):
        load_network(folder, F32)


@pytest.mark.parametrize("name", [original_wan.NETWORK, original_wan.VAE])
def test_a_file_cut_short_is_told(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"cannot be read as .*; fetch it again"):
        (load_vae if name == original_wan.VAE else load_network)(folder, F32)


def test_what_is_not_there_is_told(folder, tmp_path):
    (folder / original_wan.VAE).unlink()
    shutil.move(folder / "config.json", folder / "kept.json")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load_network(folder, F32)
    with pytest.raises(ModelError, match=r"holds no autoencoder; name the folder with Wan2\.1_VAE"):
        load_vae(folder, F32)
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        load_network(folder, F32)
    shutil.move(folder / "kept.json", folder / "config.json")
    (folder / original_wan.NETWORK).unlink()
    with pytest.raises(ModelError, match="holds no diffusion_pytorch_model"):
        load_network(folder, F32)


class Intruder:
    def __reduce__(self):
        return (open, ("intruded", "w"))


def test_a_pickle_that_runs_code_is_refused_unread(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"encoder.conv1.bias": Intruder()}, folder / original_wan.VAE)
    with pytest.raises(ModelError, match="cannot be read as a file of tensors"):
        load_vae(folder, F32)
    (folder / original_wan.VAE).write_bytes(
        pickle.dumps({"encoder.conv1.bias": Intruder()}, protocol=2)
    )
    with pytest.raises(ModelError, match="cannot be read as a file of tensors"):
        load_vae(folder, F32)
    assert not (tmp_path / "intruded").exists()


def test_another_pickle_is_no_autoencoder(folder):
    shutil.copy(folder / original_wan.TEXT, folder / original_wan.VAE)
    with pytest.raises(ModelError, match="is not Wan's autoencoder as its authors publish it"):
        load_vae(folder, F32)


def test_nothing_asks_a_hub(folder, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was reached")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    load_network(folder, F32)
    load_vae(folder, F32)
    for missing in ("no/folder", "alibaba-pai/Wan2.1-Fun-1.3B-Control"):
        for load in (load_network, load_vae):
            with pytest.raises(ModelError):
                load(type(folder)(missing), F32)
