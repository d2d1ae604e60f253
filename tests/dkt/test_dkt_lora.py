"""The LoRA: which layers it changes, and both layouts of its keys."""

import pytest
import tiny_dkt
import torch

from transphy3d.dkt import lora
from transphy3d.dkt.lora import to_diffsynth, to_peft
from transphy3d.errors import ModelError


def stored(rank=4, seed=1, layers=2):
    """A LoRA that changes something, in peft's layout."""
    net = tiny_dkt.network(layers=layers)
    lora.attach(net, rank)
    torch.manual_seed(seed)
    for parameter in lora.parameters(net):
        torch.nn.init.normal_(parameter, std=0.1)
    return net, lora.weights(net)


def published(rank, blocks=30, dim=8):
    """A file of exactly the published shape: 300 modules under DiffSynth's keys."""
    layers = [f"{a}.{m}" for a in ("self_attn", "cross_attn") for m in "qkvo"] + ["ffn.0", "ffn.2"]
    return {
        f"blocks.{b}.{layer}.lora_{m}.default.weight": torch.zeros(
            (rank, dim) if m == "A" else (dim, rank)
        )
        for b in range(blocks)
        for layer in layers
        for m in "AB"
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


@pytest.mark.parametrize("rank", [1, 16, 128])
def test_all_three_hundred_published_modules_are_understood(rank):
    file = published(rank)
    known, unused = to_peft(file)
    assert len(known) == 600 and not unused
    assert known["blocks.29.ffn.net.0.proj.lora_B.weight"].shape == (8, rank)
    assert to_diffsynth(known).keys() == file.keys()


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
        lora.load(tiny_dkt.network(), published(4, blocks=2))
    with pytest.raises(ModelError, match="none of its 1 keys"):
        lora.load(tiny_dkt.network(), {"unet.up.weight": torch.zeros(1)})
    mixed = published(4, blocks=1) | {
        "blocks.1.ffn.0.lora_A.default.weight": torch.zeros(8, 8),
    }
    with pytest.raises(ModelError, match=r"ranks \[4, 8\]"):
        lora.load(tiny_dkt.network(), mixed)
