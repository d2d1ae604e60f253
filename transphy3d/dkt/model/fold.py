"""Cross-attention to a context that never changes, computed once.

The prompt's padding is hundreds of equal tokens, and all image tokens are equal. To equal keys
attention gives equal shares, so n of them are one key whose score is raised by log n; and where
all values are equal, they are what attention returns, whatever the query.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch.nn.functional import scaled_dot_product_attention

from transphy3d.dkt.model.wan import Context


class FoldedContext(torch.nn.Module):
    """Attention to a few keys that are known beforehand: a processor of diffusers' WanAttention.

    keys, values : (1, heads, K, width); rises : (1, 1, 1, K), added to the scores
    constant : (C,) what attention to the image tokens gives
    """

    keys: torch.Tensor
    values: torch.Tensor
    rises: torch.Tensor
    constant: torch.Tensor

    def __init__(
        self,
        keys: torch.Tensor,
        values: torch.Tensor,
        rises: torch.Tensor,
        constant: torch.Tensor,
    ) -> None:
        super().__init__()
        known = {"keys": keys, "values": values, "rises": rises, "constant": constant}
        for name, tensor in known.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(
        self, attn: Any, hidden_states: torch.Tensor, *_unused: torch.Tensor | None
    ) -> torch.Tensor:
        """(B, N, C) for the queries' states (B, N, C); the context handed in is not looked at."""
        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        batch = len(query)
        found = scaled_dot_product_attention(
            query.transpose(1, 2),
            self.keys.expand(batch, -1, -1, -1),
            self.values.expand(batch, -1, -1, -1),
            attn_mask=self.rises,
        )
        mixed = found.transpose(1, 2).flatten(2) + self.constant
        shown: torch.Tensor = attn.to_out[0](mixed)
        return shown


def fold(network: WanTransformer3DModel, context: Context) -> None:
    """Give every block its cross-attention to `context`, which the network sees from now on."""
    known = context.to(network.patch_embedding.weight)
    tokens, counts = torch.unique(known.text[0], dim=0, return_counts=True)
    fold_tokens(network, tokens, counts, known.image[0, :1])


@torch.no_grad()
def fold_tokens(
    network: WanTransformer3DModel, tokens: torch.Tensor, counts: torch.Tensor, image: torch.Tensor
) -> None:
    """The same for text tokens (K, C), each met `counts` (K,) times, and one image token (1, C)."""
    embedder = network.condition_embedder
    text, shown = embedder.text_embedder(tokens), embedder.image_embedder(image)
    rises = counts.log().to(text).reshape(1, 1, 1, -1)
    for block in network.blocks:
        attn = block.attn2
        keys = attn.norm_k(attn.to_k(text)).unflatten(1, (attn.heads, -1))
        values = attn.to_v(text).unflatten(1, (attn.heads, -1))
        attn.set_processor(
            FoldedContext(
                keys.transpose(0, 1)[None],
                values.transpose(0, 1)[None],
                rises,
                attn.add_v_proj(shown)[0],
            )
        )
