"""The LoRA: low-rank changes to the network's linear layers, which is all that training moves.

It can be read from and written to three layouts of keys: peft's own, as diffusers reads it; that
of DiffSynth-Studio, in which the published weights come; and that of ComfyUI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from diffusers import WanTransformer3DModel
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict

from transphy3d.dkt.training.sharding import gathered
from transphy3d.errors import ModelError

Layout = Literal["diffsynth", "comfyui", "peft"]
Weights = Mapping[str, torch.Tensor]
# q, k, v and o of self and cross attention, and both layers of the feed-forward network: ten a
# block, without the keys and values of the image branch.
TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")
ADAPTER = "default"
# diffusers' name of a layer, and Wan's own as DiffSynth-Studio and ComfyUI use it.
LAYERS = {
    "attn1.to_q": "self_attn.q",
    "attn1.to_k": "self_attn.k",
    "attn1.to_v": "self_attn.v",
    "attn1.to_out.0": "self_attn.o",
    "attn2.to_q": "cross_attn.q",
    "attn2.to_k": "cross_attn.k",
    "attn2.to_v": "cross_attn.v",
    "attn2.to_out.0": "cross_attn.o",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
}
_FROM_WAN = {wan: ours for ours, wan in LAYERS.items()}
_KEY = re.compile(r"blocks\.(\d+)\.(.+)\.lora_([AB])\.(?:default\.)?weight")
_ALPHA = re.compile(r"blocks\.(\d+)\.(.+)\.alpha")
_PREFIXES = ("base_model.model.", "transformer.", "diffusion_model.", "pipe.dit.", "dit.")


@dataclass(frozen=True)
class LoadReport:
    """What became of a file's tensors.

    modules : layers that got both matrices; rank : of all of them
    missing : layers of the network that the file lacks; unused : keys that fit nothing
    silent : layers whose B is zero, so that they change nothing
    effect : root mean square of B A over all layers; 0 means that the LoRA does nothing
    """

    modules: int
    rank: int
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    silent: tuple[str, ...]
    effect: float

    @staticmethod
    def of(known: Weights, layers: Iterable[str], unused: Sequence[str]) -> LoadReport:
        """Of tensors in peft's layout, for a network that has these layers."""
        wanted = set(layers)
        used = {key: value for key, value in known.items() if _layer(key) in wanted}
        found = {_layer(key) for key in used}
        silent = {_layer(k) for k, v in used.items() if ".lora_B." in k and not v.any()}
        return LoadReport(
            modules=len(found),
            rank=_rank(known),
            missing=tuple(sorted(wanted - found)),
            unused=(*unused, *sorted(known.keys() - used.keys())),
            silent=tuple(sorted(silent)),
            effect=effect(used),
        )

    def describe(self) -> str:
        """One line for a terminal."""
        return (
            f"{self.modules} layers of rank {self.rank}, {len(self.missing)} missing, "
            f"{len(self.unused)} keys unused, {len(self.silent)} layers zero, "
            f"effect {self.effect:.3g}"
        )


def attach(network: WanTransformer3DModel, rank: int) -> None:
    """Freeze the network and give it a LoRA that changes nothing yet; alpha = rank.

    The matrices are float32, whatever the network's type.
    """
    network.requires_grad_(False)
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=list(TARGETS), init_lora_weights=True
    )
    network.add_adapter(config, adapter_name=ADAPTER)
    for parameter in parameters(network):
        parameter.data = parameter.data.float()


def parameters(network: WanTransformer3DModel) -> list[torch.nn.Parameter]:
    """What training moves, in a fixed order."""
    return [p for name, p in network.named_parameters() if ".lora_" in name]


def weights(network: WanTransformer3DModel) -> dict[str, torch.Tensor]:
    """A copy of the LoRA in peft's layout, on the CPU; of a spread one, all ranks must ask."""
    return gathered(dict(get_peft_model_state_dict(network, adapter_name=ADAPTER)))


def load(network: WanTransformer3DModel, stored: Weights) -> LoadReport:
    """Attach a stored LoRA of either layout, of the rank that it has.

    Raises ModelError if nothing fits, ranks differ, or a shape belongs to another network.
    """
    known, unused = to_peft(stored)
    if not known:
        raise ModelError(
            f"LoRA: none of its {len(stored)} keys names a layer of Wan's network, the first is "
            f"{next(iter(stored), None)!r}; hand in a LoRA of Wan2.1-Fun-Control"
        )
    attach(network, _rank(known))
    expected = weights(network)
    _check_shapes(known, expected)
    set_peft_model_state_dict(network, dict(known), adapter_name=ADAPTER)
    return LoadReport.of(known, map(_layer, expected), unused)


def layers_below(known: Weights) -> list[str]:
    """The layers of a network with as many blocks as tensors in peft's layout speak of."""
    blocks = 1 + max(int(key.split(".")[1]) for key in known)
    return [f"blocks.{block}.{layer}" for block in range(blocks) for layer in LAYERS]


def _layer(key: str) -> str:
    return key.rsplit(".lora_", 1)[0]


def _rank(stored: Weights) -> int:
    ranks = {int(value.shape[0]) for key, value in stored.items() if ".lora_A." in key}
    if len(ranks) != 1:
        raise ModelError(f"LoRA: its layers have ranks {sorted(ranks)}; one rank is expected")
    return ranks.pop()


def _check_shapes(stored: Weights, expected: Weights) -> None:
    for key in stored.keys() & expected.keys():
        if stored[key].shape != expected[key].shape:
            raise ModelError(
                f"LoRA: {key} is {tuple(stored[key].shape)}, the network wants "
                f"{tuple(expected[key].shape)}; it was trained on a base of another size"
            )


def effect(stored: Weights) -> float:
    """Root mean square of the entries of B A over all layers, without forming the products."""
    squares, entries = 0.0, 0
    for key, a in stored.items():
        if ".lora_A." in key:
            b = stored[key.replace(".lora_A.", ".lora_B.")].double()
            inner = (b.T @ b) * (a.double() @ a.double().T)
            squares += float(inner.sum())
            entries += b.shape[0] * a.shape[1]
    return float((squares / entries) ** 0.5) if entries else 0.0


def to_peft(stored: Weights) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Tensors of any layout under peft's keys, and the keys that were not understood.

    A layer's alpha, which is its rank where it is not given, becomes part of B. A matrix without
    the other one of its layer says nothing, and is not understood either.
    """
    names = {key: name for key in stored if (name := _in_peft(key))}
    whole = {_layer(name) for name in names.values() if name.endswith("lora_A.weight")}
    whole &= {_layer(name) for name in names.values() if name.endswith("lora_B.weight")}
    known = {name: stored[key] for key, name in names.items() if _layer(name) in whole}
    alphas = {key: layer for key in stored if (layer := _of_alpha(key)) in whole}
    for key, layer in alphas.items():
        name = f"{layer}.lora_B.weight"
        known[name] = known[name] * (float(stored[key]) / known[name].shape[1])
    used = alphas.keys() | {key for key, name in names.items() if name in known}
    return known, tuple(key for key in stored if key not in used)


def _in_peft(key: str) -> str | None:
    """A key of any layout in peft's; None for what is no LoRA of Wan's layers."""
    match = _KEY.fullmatch(_without_prefix(key))
    layer = match and _placed(match[1], match[2])
    return f"{layer}.lora_{match[3]}.weight" if match and layer else None


def _of_alpha(key: str) -> str | None:
    """The layer in peft's layout whose alpha a key of any layout is; None for other keys."""
    match = _ALPHA.fullmatch(_without_prefix(key))
    return _placed(match[1], match[2]) if match else None


def _placed(block: str, layer: str) -> str | None:
    """A layer by either name, with its block; None for what is none of Wan's."""
    ours = _FROM_WAN.get(layer) or (layer if layer in LAYERS else None)
    return f"blocks.{block}.{ours}" if ours else None


def _without_prefix(key: str) -> str:
    for prefix in _PREFIXES:
        key = key.removeprefix(prefix)
    return key


def to_diffsynth(stored: Weights) -> dict[str, torch.Tensor]:
    """Tensors of peft's layout under the published weights' keys."""
    return _renamed(stored, "blocks.{}.{}.lora_{}.default.weight")


def to_comfyui(stored: Weights) -> dict[str, torch.Tensor]:
    """Tensors of peft's layout under the keys by which ComfyUI finds Wan's layers."""
    return _renamed(stored, "diffusion_model.blocks.{}.{}.lora_{}.weight")


def _renamed(stored: Weights, template: str) -> dict[str, torch.Tensor]:
    """Under Wan's own names of layers; template : of block, layer, and A or B."""
    named = {}
    for key, value in stored.items():
        match = _KEY.fullmatch(key)
        if match is None or match[2] not in LAYERS:
            raise ModelError(f"LoRA: {key!r} is not in peft's layout")
        named[template.format(match[1], LAYERS[match[2]], match[3])] = value
    return named
