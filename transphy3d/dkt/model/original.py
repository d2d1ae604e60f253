"""Wan's checkpoints as their authors publish them, loaded into the classes that run here.

A folder downloaded from the hub, such as alibaba-pai/Wan2.1-Fun-1.3B-Control:

    config.json, diffusion_pytorch_model.safetensors    the network, maybe in shards
    Wan2.1_VAE.pth                                      the autoencoder
    models_t5_umt5-xxl-enc-bf16.pth, google/umt5-xxl/   text encoder and tokenizer

All sizes are read off the tensors' shapes, but the number of heads, which leaves no trace there.
Names of tensors: wan/modules/{model,vae,t5}.py of github.com/Wan-Video/Wan2.1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.loaders.single_file_utils import (
    convert_wan_transformer_to_diffusers,
    convert_wan_vae_to_diffusers,
)

from transphy3d.dkt.model.tensors import read_pickle, read_weights
from transphy3d.errors import ModelError

if TYPE_CHECKING:
    from transformers import UMT5EncoderModel

NETWORK = "diffusion_pytorch_model"
VAE = "Wan2.1_VAE.pth"
TEXT_ENCODER = "models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER = "google/umt5-xxl"
CHANNELS = 48
# Channels of other checkpoints of Wan, by the number that their network takes in.
OTHERS = {16: "a text-to-video model", 36: "an image-to-video or inpainting model"}
WANTED = "take Wan2.1-Fun-1.3B-Control or -14B-Control (version 1.0)"
HEAD_WIDTH = 128  # of both published sizes
Weights = dict[str, torch.Tensor]
Module = TypeVar("Module", bound=torch.nn.Module)

T5_LAYERS = {
    "attn.q": "layer.0.SelfAttention.q",
    "attn.k": "layer.0.SelfAttention.k",
    "attn.v": "layer.0.SelfAttention.v",
    "attn.o": "layer.0.SelfAttention.o",
    "pos_embedding.embedding": "layer.0.SelfAttention.relative_attention_bias",
    "norm1": "layer.0.layer_norm",
    "ffn.gate.0": "layer.1.DenseReluDense.wi_0",
    "ffn.fc1": "layer.1.DenseReluDense.wi_1",
    "ffn.fc2": "layer.1.DenseReluDense.wo",
    "norm2": "layer.1.layer_norm",
}
_T5_KEY = re.compile(r"blocks\.(\d+)\.(.+)\.weight")


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a model's folder. Raises ModelError if it is not there, or no JSON."""
    path = folder / "config.json"
    if not path.is_file():
        whole = " (its subfolder transformer, for one)" if (folder / "transformer").is_dir() else ""
        raise ModelError(
            f"{folder}: has no config.json; hand in the folder of Wan2.1-Fun-Control as it was "
            f"downloaded, or a diffusers folder{whole}"
        )
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise ModelError(f"{path}: is not JSON ({error}); fetch it again") from None
    return config


def is_diffusers(config: Mapping[str, Any]) -> bool:
    """Whether a network's config.json is that of diffusers, not of its authors."""
    return "num_attention_heads" in config


def load_network(folder: Path) -> WanTransformer3DModel:
    """Fun-Control's network of a downloaded folder, in the type that it is stored in.

    Raises ModelError if files are missing or damaged, or hold another model.
    """
    config = read_config(folder)
    stored = read_weights(folder, NETWORK)
    sizes = _read_shapes(network_config, stored, folder, "Wan's network")
    check_kind(folder, sizes["in_channels"], sizes["image_dim"])
    if "ref_conv.weight" in stored:
        raise ModelError(f"{folder}: has a ref_conv, as Fun-Control 1.1 does; {WANTED}")
    heads = int(config.get("num_heads", sizes["width"] // HEAD_WIDTH))
    arguments = {key: value for key, value in sizes.items() if key != "width"}
    arguments |= {"num_attention_heads": heads, "attention_head_dim": sizes["width"] // heads}
    renamed = convert_wan_transformer_to_diffusers(stored)
    return _filled(lambda: WanTransformer3DModel(**arguments), renamed, folder)


def network_config(stored: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Arguments of WanTransformer3DModel by a checkpoint's shapes, and its width for the heads."""
    width, channels, *patch = stored["patch_embedding.weight"].shape
    image = stored.get("img_emb.proj.0.weight")
    return {
        "width": width,
        "in_channels": channels,
        "out_channels": len(stored["head.head.bias"]) // (patch[0] * patch[1] * patch[2]),
        "patch_size": tuple(patch),
        "text_dim": stored["text_embedding.0.weight"].shape[1],
        "freq_dim": stored["time_embedding.0.weight"].shape[1],
        "ffn_dim": len(stored["blocks.0.ffn.0.weight"]),
        "num_layers": _blocks(stored),
        "image_dim": None if image is None else len(image),
        "added_kv_proj_dim": None if image is None else width,
    }


def _blocks(stored: Mapping[str, torch.Tensor]) -> int:
    return 1 + max(int(key.split(".")[1]) for key in stored if key.startswith("blocks."))


def check_kind(place: Path, channels: Any, image_width: Any) -> None:
    """Raise ModelError for a network of Wan that is not Fun-Control's."""
    if channels != CHANNELS:
        kind = OTHERS.get(channels, "another model")
        raise ModelError(
            f"{place}: takes {channels} channels, as {kind} does, not {CHANNELS}; {WANTED}"
        )
    if image_width is None:
        raise ModelError(f"{place}: has no image branch, unlike Fun-Control; {WANTED}")


def load_vae(file: Path) -> AutoencoderKLWan:
    """Wan2.1's autoencoder from its .pth file. Raises ModelError if it is another, or damaged."""
    stored = read_pickle(file)
    width = _read_shapes(lambda s: len(s["encoder.conv1.bias"]), stored, file, "Wan's autoencoder")
    renamed = convert_wan_vae_to_diffusers(stored)
    return _filled(lambda: AutoencoderKLWan(base_dim=width), renamed, file)


def load_text_encoder(file: Path) -> UMT5EncoderModel:
    """UMT5's encoder from Wan's .pth file. Raises ModelError if it is another, or damaged."""
    from transformers import UMT5Config, UMT5EncoderModel

    stored = read_pickle(file)
    sizes = _read_shapes(text_config, stored, file, "Wan's text encoder")
    return _filled(lambda: UMT5EncoderModel(UMT5Config(**sizes)), rename_t5(stored), file)


def text_config(stored: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """Arguments of UMT5Config by a checkpoint's shapes."""
    vocabulary, width = stored["token_embedding.weight"].shape
    buckets, heads = stored["blocks.0.pos_embedding.embedding.weight"].shape
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": len(stored["blocks.0.attn.q.weight"]) // heads,
        "d_ff": len(stored["blocks.0.ffn.fc1.weight"]),
        "num_layers": _blocks(stored),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
    }


def rename_t5(stored: Weights) -> Weights:
    """Tensors under the names of UMT5EncoderModel; those that it has not keep theirs."""
    named: Weights = {}
    for key, value in stored.items():
        match = _T5_KEY.fullmatch(key)
        if match and match[2] in T5_LAYERS:
            key = f"encoder.block.{match[1]}.{T5_LAYERS[match[2]]}.weight"
        elif key == "norm.weight":
            key = "encoder.final_layer_norm.weight"
        elif key == "token_embedding.weight":
            named["shared.weight"], key = value, "encoder.embed_tokens.weight"
        named[key] = value
    return named


Found = TypeVar("Found")


def _read_shapes(
    read: Callable[[Mapping[str, torch.Tensor]], Found], stored: Weights, place: Path, what: str
) -> Found:
    try:
        return read(stored)
    except (KeyError, ValueError) as error:
        reason = f"no tensor is called {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError(
            f"{place}: is not {what} as its authors publish it ({reason}); fetch it again, or take "
            "the right file"
        ) from None


def _filled(build: Callable[[], Module], stored: Weights, place: Path) -> Module:
    """A model with these tensors, each of which must have its place, and every place a tensor."""
    with init_empty_weights(include_buffers=False):
        model = build()
    expected = model.state_dict()
    missing, foreign = sorted(expected.keys() - stored), sorted(stored.keys() - expected.keys())
    if missing or foreign:
        raise ModelError(
            f"{place}: does not fit {type(model).__name__}: {len(missing)} tensors are missing"
            f"{_first(missing)}, {len(foreign)} have no place{_first(foreign)}; fetch all of it "
            "again, or take the right file"
        )
    for key, value in expected.items():
        if value.shape != stored[key].shape:
            raise ModelError(
                f"{place}: {key} is {tuple(stored[key].shape)}, not {tuple(value.shape)}; "
                "fetch it again, or take the right file"
            )
    model.load_state_dict(stored, assign=True)
    return model.eval()


def _first(keys: list[str]) -> str:
    return f" (first: {keys[0]})" if keys else ""
