"""Models of the real classes, small enough for a CPU, with random weights."""

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from transphy3d.dkt.model.model import Model
from transphy3d.dkt.model.wan import make_context

TEXT_WIDTH, IMAGE_WIDTH = 32, 40


def network(seed: int = 0, layers: int = 2) -> WanTransformer3DModel:
    """A network with 48 input channels and an image branch."""
    torch.manual_seed(seed)
    return WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        in_channels=48,
        out_channels=16,
        text_dim=TEXT_WIDTH,
        freq_dim=32,
        ffn_dim=96,
        num_layers=layers,
        image_dim=IMAGE_WIDTH,
        added_kv_proj_dim=48,
    ).eval()


def vae(seed: int = 0) -> AutoencoderKLWan:
    """An autoencoder with all of Wan's stages, 8 pixels and 4 frames a latent."""
    torch.manual_seed(seed)
    return AutoencoderKLWan(base_dim=8, dim_mult=[1, 1, 2, 2], num_res_blocks=1).eval()


def model() -> Model:
    """Both, with a prompt of three tokens."""
    torch.manual_seed(7)
    return Model(network(), vae(), make_context(torch.randn(3, TEXT_WIDTH), IMAGE_WIDTH))
