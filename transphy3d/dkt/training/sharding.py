"""Weights spread over the ranks by torch's FSDP2, for networks too large for one GPU.

Each rank keeps a slice of every weight, gradient and moment; a block is put together only while
it computes.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from diffusers import WanTransformer3DModel
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map_only

Tree = TypeVar("Tree")


def shard(network: WanTransformer3DModel, device: torch.device, ranks: int) -> None:
    """Spread a network that every rank has loaded, block by block, onto the ranks' devices."""
    mesh = init_device_mesh(device.type, (ranks,))
    # FSDP hangs its work onto the output, which a change in place would lose if it were a view.
    network.register_forward_hook(lambda module, inputs, output: (output[0].clone(),))
    for block in network.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor put together from all ranks, each of which must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tree: Tree, *, keep: bool = True) -> Tree:
    """Nested containers with copies of their tensors, whole and on the CPU; all ranks must call.

    keep : False gives None for tensors, on ranks that only take part
    """

    def copied(tensor: torch.Tensor) -> Any:
        full = whole(tensor)
        return full.detach().cpu().clone() if keep else None

    done: Tree = tree_map_only(torch.Tensor, copied, tree)
    return done


def spread_like(full: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """This rank's share of a tensor that every rank holds, spread as another one is."""
    placed = full.to(tensor.device)
    if not isinstance(tensor, DTensor):
        return placed
    return distribute_tensor(placed, tensor.device_mesh, tensor.placements, src_data_rank=None)
