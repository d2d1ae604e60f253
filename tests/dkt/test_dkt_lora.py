"""The LoRA: which layers it changes, and both layouts of its keys."""

import pytest
import tiny_dkt
import torch
from diffusers import WanTransformer3DModel

from transphy3d.dkt.model import lora
from transphy3d.dkt.model.lora import to_comfyui, to_diffsynth, to_peft
from transphy3d.dkt.model.wan import network_config
from transphy3d.errors import ModelError


def stored(rank=4, seed=1, layers=2):
    """A LoRA that changes something, in peft's layout."""
    net = tiny_dkt.network(layers=layers)
    lora.attach(net, rank)
    torch.manual_seed(seed)
    for parameter in lora.parameters(net):
        torch.nn.init.normal_(parameter, std=0.1)
    return net, lora.weights(net)


SIZES = {"tiny": (48, 96, 2), "1.3B": (1536, 8960, 30), "14B": (5120, 13824, 40)}


def published(size, rank, device="meta"):
    """A file of exactly the published shape: ten modules a block under DiffSynth's keys."""
    dim, ffn, blocks = SIZES[size]
    attention = [f"{kind}_attn.{m}" for kind in ("self", "cross") for m in "qkvo"]
    # Inputs and outputs of each layer.
    layers = dict.fromkeys(attention, (dim, dim)) | {"ffn.0": (dim, ffn), "ffn.2": (ffn, dim)}
    return {
        f"blocks.{block}.{layer}.lora_{matrix}.default.weight": torch.zeros(shape, device=device)
        for block in range(blocks)
        for layer, (taken, given) in layers.items()
        for matrix, shape in (("A", (rank, taken)), ("B", (given, rank)))
    }


def look(net):
    torch.manual_seed(3)
    x, text = torch.randn(1, 48, 2, 4, 4), torch.randn(1, 5, tiny_dkt.TEXT_WIDTH)
    image = torch.zeros(1, 257, tiny_dkt.IMAGE_WIDTH)
    with torch.no_grad():
        return net(x, torch.tensor([500.0]), text, image, return_dict=False)[0]


def test_ten_layers_a_block_move_and_nothing_else():
    net, weights = stored()
    assert len(weights) == 2 * 10 * 2
    assert not any("add_k" in key or "add_v" in key for key in weights)
    moving = [name for name, p in net.named_parameters() if p.requires_grad]
    assert moving and all(".lora_" in name for name in moving)
    assert all(p.dtype == torch.float32 for p in lora.parameters(net))


def test_a_fresh_lora_changes_nothing():
    net = tiny_dkt.network()
    before = look(net)
    lora.attach(net, 4)
    assert torch.equal(look(net), before)
    assert lora.effect(lora.weights(net)) == 0


@pytest.mark.parametrize("rank", [16, 128])
@pytest.mark.parametrize(("size", "modules"), [("1.3B", 300), ("14B", 400)])
def test_a_published_file_fits_the_real_network_key_by_key_and_shape_by_shape(size, modules, rank):
    file = published(size, rank)
    assert len(file) == 2 * modules
    known, unused = to_peft(file)
    with torch.device("meta"):
        net = WanTransformer3DModel(**network_config(size))
        lora.attach(net, rank)
    expected = {
        name.replace(f".{lora.ADAPTER}.", "."): parameter.shape
        for name, parameter in net.named_parameters()
        if ".lora_" in name
    }
    assert {key: value.shape for key, value in known.items()} == expected
    assert not unused
    assert to_diffsynth(known).keys() == file.keys()


@pytest.mark.parametrize("rank", [1, 8, 32])
def test_the_rank_is_read_from_the_file(rank):
    net = tiny_dkt.network()
    report = lora.load(net, published("tiny", rank, "cpu"))
    assert (report.modules, report.rank, report.effect) == (20, rank, 0)
    assert {min(p.shape) for p in lora.parameters(net)} == {rank}


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "pipe.dit.", "transformer."])
def test_a_lora_works_the_same_from_either_layout(prefix):
    trained, weights = stored()
    file = {prefix + key: value for key, value in to_diffsynth(weights).items()}
    fresh = tiny_dkt.network()
    report = lora.load(fresh, file)
    assert torch.equal(look(fresh), look(trained))
    assert (report.modules, report.rank, report.missing, report.unused) == (20, 4, (), ())
    assert report.effect > 0


def test_alpha_is_the_rank_so_the_change_is_b_times_a():
    trained, weights = stored()
    layer = trained.blocks[0].attn1.to_q
    a, b = (weights[f"blocks.0.attn1.to_q.lora_{m}.weight"] for m in "AB")
    x = torch.randn(2, 48)
    torch.testing.assert_close(layer(x), layer.base_layer(x) + x @ a.T @ b.T)


@pytest.mark.parametrize("rename", [to_comfyui, dict])
def test_another_alpha_in_a_file_scales_its_layer_alone(rename):
    _, weights = stored()
    layer = "self_attn.q" if rename is to_comfyui else "attn1.to_q"
    prefix = "diffusion_model." if rename is to_comfyui else ""
    alpha = {f"{prefix}blocks.0.{layer}.alpha": torch.tensor(1.0)}
    fresh = tiny_dkt.network()
    assert not lora.load(fresh, rename(weights) | alpha).unused
    a, b = (weights[f"blocks.0.attn1.to_q.lora_{m}.weight"] for m in "AB")
    x, scaled = torch.randn(2, 48), fresh.blocks[0].attn1.to_q
    torch.testing.assert_close(scaled(x), scaled.base_layer(x) + x @ a.T @ b.T / 4)
    known, _ = to_peft(rename(weights) | alpha)
    changed = {key for key in weights if not torch.equal(known[key], weights[key])}
    assert changed == {"blocks.0.attn1.to_q.lora_B.weight"}


def test_an_alpha_of_no_layer_is_reported():
    _, weights = stored()
    report = lora.load(tiny_dkt.network(), weights | {"blocks.9.attn1.to_q.alpha": torch.ones(1)})
    assert report.unused == ("blocks.9.attn1.to_q.alpha",)


def test_the_effect_is_the_root_mean_square_of_all_products():
    _, weights = stored()
    products = [
        weights[key.replace("lora_A", "lora_B")] @ weights[key]
        for key in weights
        if "lora_A" in key
    ]
    entries = torch.cat([product.flatten() for product in products])
    assert lora.effect(weights) == pytest.approx(float(entries.square().mean().sqrt()), rel=1e-5)


def test_missing_and_foreign_keys_are_reported():
    _, weights = stored()
    partial = {key: value for key, value in weights.items() if not key.startswith("blocks.1.ffn")}
    partial["blocks.0.something.lora_A.weight"] = torch.zeros(4, 4)
    report = lora.load(tiny_dkt.network(), partial)
    assert report.missing == ("blocks.1.ffn.net.0.proj", "blocks.1.ffn.net.2")
    assert report.unused == ("blocks.0.something.lora_A.weight",)
    assert "18 layers of rank 4, 2 missing, 1 keys unused" in report.describe()


def test_a_lora_of_another_base_is_refused():
    with pytest.raises(ModelError, match="another size"):
        lora.load(tiny_dkt.network(), published("1.3B", 4, "cpu"))
    with pytest.raises(ModelError, match="none of its 1 keys"):
        lora.load(tiny_dkt.network(), {"unet.up.weight": torch.zeros(1)})
    mixed = published("tiny", 4, "cpu") | {
        "blocks.1.ffn.0.lora_A.default.weight": torch.zeros(8, 48),
    }
    with pytest.raises(ModelError, match=r"ranks \[4, 8\]"):
        lora.load(tiny_dkt.network(), mixed)
