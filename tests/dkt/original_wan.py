"""Tiny models written down as Wan's authors publish theirs: wan/modules/{model,vae,t5}.py.

Their names are spelt out from those modules, none by way of a converter.
"""

import json
from pathlib import Path

import tiny_dkt
import torch
from diffusers import AutoencoderKLWan
from safetensors.torch import save_file
from transformers import T5Tokenizer, UMT5Config, UMT5EncoderModel

NETWORK, VAE = "diffusion_pytorch_model.safetensors", "Wan2.1_VAE.pth"
TEXT, TOKENIZER = "models_t5_umt5-xxl-enc-bf16.pth", "google/umt5-xxl"
IN_NETWORK = {
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.image_embedder.norm1": "img_emb.proj.0",
    "condition_embedder.image_embedder.ff.net.0.proj": "img_emb.proj.1",
    "condition_embedder.image_embedder.ff.net.2": "img_emb.proj.3",
    "condition_embedder.image_embedder.norm2": "img_emb.proj.4",
    "patch_embedding": "patch_embedding",
    "proj_out": "head.head",
}
IN_BLOCK = {
    "attn1.to_q": "self_attn.q",
    "attn1.to_k": "self_attn.k",
    "attn1.to_v": "self_attn.v",
    "attn1.to_out.0": "self_attn.o",
    "attn1.norm_q": "self_attn.norm_q",
    "attn1.norm_k": "self_attn.norm_k",
    "attn2.to_q": "cross_attn.q",
    "attn2.to_k": "cross_attn.k",
    "attn2.to_v": "cross_attn.v",
    "attn2.to_out.0": "cross_attn.o",
    "attn2.norm_q": "cross_attn.norm_q",
    "attn2.norm_k": "cross_attn.norm_k",
    "attn2.add_k_proj": "cross_attn.k_img",
    "attn2.add_v_proj": "cross_attn.v_img",
    "attn2.norm_added_k": "cross_attn.norm_k_img",
    "norm2": "norm3",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
}
IN_RESIDUAL = {
    "norm1": "residual.0",
    "conv1": "residual.2",
    "norm2": "residual.3",
    "conv2": "residual.6",
    "conv_shortcut": "shortcut",
}
IN_T5 = {
    "SelfAttention.q": "attn.q",
    "SelfAttention.k": "attn.k",
    "SelfAttention.v": "attn.v",
    "SelfAttention.o": "attn.o",
    "SelfAttention.relative_attention_bias": "pos_embedding.embedding",
    "DenseReluDense.wi_0": "ffn.gate.0",
    "DenseReluDense.wi_1": "ffn.fc1",
    "DenseReluDense.wo": "ffn.fc2",
}


def network_key(key):
    """Wan's name of a tensor of the network."""
    if key == "scale_shift_table":
        return "head.modulation"
    if not key.startswith("blocks."):
        layer, kind = key.rsplit(".", 1)
        return f"{IN_NETWORK[layer]}.{kind}"
    _, block, rest = key.split(".", 2)
    if rest == "scale_shift_table":
        return f"blocks.{block}.modulation"
    layer, kind = rest.rsplit(".", 1)
    return f"blocks.{block}.{IN_BLOCK[layer]}.{kind}"


def vae_key(key):
    """Wan's name of a tensor of the autoencoder."""
    side, _, rest = key.partition(".")
    if side in ("quant_conv", "post_quant_conv"):
        return f"conv{1 if side == 'quant_conv' else 2}.{rest}"
    layer, kind = rest.rsplit(".", 1)
    return f"{side}.{_in_vae(layer.split('.'))}.{kind}"


def _in_vae(parts):
    ends = {"conv_in": "conv1", "norm_out": "head.0", "conv_out": "head.2"}
    if parts[0] in ends:
        return ends[parts[0]]
    if parts[0] == "mid_block":
        if parts[1] == "attentions":
            return f"middle.1.{parts[3]}"
        return f"middle.{2 * int(parts[2])}.{IN_RESIDUAL[parts[3]]}"
    if parts[0] == "down_blocks":
        return f"downsamples.{parts[1]}.{_in_sampled(parts[2:])}"
    # An upward stage has three residual blocks and, but for the last, one that samples.
    slot = 3 if parts[2] == "upsamplers" else int(parts[3])
    return f"upsamples.{4 * int(parts[1]) + slot}.{_in_sampled(parts[4:])}"


def _in_sampled(parts):
    return IN_RESIDUAL.get(parts[0]) or ".".join(parts)


def text_key(key):
    """Wan's name of a tensor of the text encoder."""
    whole = {
        "shared.weight": "token_embedding.weight",
        "encoder.final_layer_norm.weight": "norm.weight",
    }
    if key in whole:
        return whole[key]
    _, _, block, _, layer, rest = key.removesuffix(".weight").split(".", 5)
    name = f"norm{int(layer) + 1}" if rest == "layer_norm" else IN_T5[rest]
    return f"blocks.{block}.{name}.weight"


def text_encoder(seed=0):
    """UMT5's encoder with two blocks, over the tokens of `tokenizer`."""
    torch.manual_seed(seed)
    config = UMT5Config(
        vocab_size=16, d_model=tiny_dkt.TEXT_WIDTH, d_kv=8, d_ff=48, num_layers=2, num_heads=4
    )
    model = UMT5EncoderModel(config).eval()
    # As it is initialised, it adds next to nothing.
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def tokenizer():
    """A tokenizer of UMT5's class, which knows both prompts in pieces."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", "▁depth", "▁nor", "mal", "d", "e", "p", "t", "h"]
    return T5Tokenizer(vocab=[(piece, -float(n)) for n, piece in enumerate(pieces)], extra_ids=0)


def vae(seed=0):
    """An autoencoder of Wan's stages, narrower."""
    torch.manual_seed(seed)
    return AutoencoderKLWan(base_dim=8).eval()


def published_network(network):
    """Its tensors under Wan's names."""
    return {network_key(key): value.clone() for key, value in network.state_dict().items()}


def published_vae(model):
    """Its tensors under Wan's names."""
    return {vae_key(key): value.clone() for key, value in model.state_dict().items()}


def published_text(model):
    """Its tensors under Wan's names; the embedding is there once."""
    state = model.state_dict()
    del state["encoder.embed_tokens.weight"]
    return {text_key(key): value.clone() for key, value in state.items()}


def write(root: Path, network, model, text) -> Path:
    """A folder as it comes from the hub."""
    root.mkdir(parents=True)
    config = {
        "_class_name": "WanModel",
        "model_type": "i2v",
        "dim": network.config.num_attention_heads * network.config.attention_head_dim,
        "in_dim": network.config.in_channels,
        "in_channels": network.config.in_channels,
        "num_heads": network.config.num_attention_heads,
        "num_layers": network.config.num_layers,
    }
    (root / "config.json").write_text(json.dumps(config))
    save_file(published_network(network), root / NETWORK)
    torch.save(published_vae(model), root / VAE)
    torch.save(published_text(text), root / TEXT)
    tokenizer().save_pretrained(root / TOKENIZER)
    return root
