"""The prompt: a task's word, embedded once, so that nothing later needs the text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from safetensors.torch import save

from transphy3d.dkt.config import Task
from transphy3d.dkt.model import original
from transphy3d.dkt.model.model import PROMPT
from transphy3d.dkt.model.wan import TEXT_TOKENS, cast, load_folder
from transphy3d.errors import ModelError
from transphy3d.files import write_bytes

if TYPE_CHECKING:
    from transformers import UMT5EncoderModel


def load_encoder(folder: Path, dtype: torch.dtype) -> tuple[Any, UMT5EncoderModel]:
    """Tokenizer and text encoder of Wan2.1, every weight in `dtype`.

    folder : as its authors publish it (models_t5_umt5-xxl-enc-bf16.pth and google/umt5-xxl), or
        of diffusers (text_encoder and tokenizer)
    Reads local files only. Raises ModelError if one is missing or damaged.
    """
    from transformers import UMT5EncoderModel

    published, of_diffusers = folder / original.TEXT_ENCODER, folder / "text_encoder"
    if published.is_file():
        tokenizer = _load_tokenizer(folder / original.TOKENIZER)
        return tokenizer, cast(original.load_text_encoder(published), dtype)
    if of_diffusers.is_dir():
        tokenizer = _load_tokenizer(folder / "tokenizer")
        return tokenizer, load_folder(UMT5EncoderModel, of_diffusers, dtype).eval()
    raise ModelError(
        f"{folder}: holds no text encoder; fetch {original.TEXT_ENCODER} and {original.TOKENIZER} "
        "into it, or name a diffusers folder with text_encoder and tokenizer"
    )


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not (folder / "tokenizer_config.json").is_file():
        raise ModelError(f"{folder}: holds no tokenizer (tokenizer_config.json); fetch it")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: its tokenizer cannot be read ({error}); fetch it") from None


def embed(text: str, tokenizer: Any, encoder: UMT5EncoderModel) -> torch.Tensor:
    """The embedding (L, C) of a text's L tokens, its end among them, on the CPU.

    By diffusers' own pipeline, which cleans the text and fills up to 512 tokens as the released
    code does; the zeros that stand for those are cut off. Raises ModelError if some are not finite.
    """
    from diffusers import WanPipeline

    pipeline = WanPipeline(tokenizer, encoder, vae=None, scheduler=None)
    with torch.no_grad():
        filled, _ = pipeline.encode_prompt(
            text, do_classifier_free_guidance=False, max_sequence_length=TEXT_TOKENS
        )
    rows: torch.Tensor = filled[0][filled[0].any(dim=-1)].cpu()
    if not len(rows) or not rows.isfinite().all():
        raise ModelError(f"prompt {text!r}: embeds to nothing finite; fetch the text encoder again")
    return rows


def write_prompts(out: Path, tokenizer: Any, encoder: UMT5EncoderModel) -> list[Path]:
    """Embed the word of every task into a file; returns prompt-<task>.safetensors of each."""
    paths = []
    for task in get_args(Task):
        embedding = embed(task, tokenizer, encoder).contiguous()
        path = out / f"prompt-{task}.safetensors"
        write_bytes(path, save({PROMPT: embedding}, metadata={"text": task}))
        paths.append(path)
    return paths
