"""Qwen2.5-VL on pictures: yes/no questions scored from logits, and answers from a finite set.

Needs the extra `filter`. Nothing is taken from the network: the weights lie on this disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar

from PIL import Image

from transphy3d.assets.prompts import MAX_PIXELS, MIN_PIXELS
from transphy3d.assets.trie import Trie
from transphy3d.assets.weights import INSTALL, Precision, Weights
from transphy3d.errors import DeviceError, ModelError, PackageMissing
from transphy3d.torchvision_import import import_torchvision

DeviceName = Literal["auto", "cuda", "cpu"]
WORDS = {"yes": ("yes", "Yes", "YES"), "no": ("no", "No", "NO")}
END_OF_TURN = "<|im_end|>"

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """Pictures of one thing, and a question about it: one user turn."""

    pictures: tuple[Image.Image, ...]
    text: str


@dataclass(frozen=True)
class YesNo:
    """p_yes : probability of yes over that of yes and no; mass : of both, of all next words."""

    p_yes: float
    mass: float


@dataclass(frozen=True)
class Choice:
    """The answer that the model wrote under constraint, and the probability of its tokens."""

    answer: str
    p: float


@dataclass(frozen=True)
class Judge:
    """A loaded model with what turns pictures and words into its inputs."""

    model: Any
    processor: Any
    device: str
    yes: tuple[int, ...]
    no: tuple[int, ...]


def load(weights: Weights, device: DeviceName = "auto") -> Judge:
    """The model on a device: bfloat16 or float16 on a GPU, float32 on a CPU.

    Raises ModelError where a package is missing or the files do not fit, DeviceError where
    `cuda` is demanded and none is seen.
    """
    torch, transformers = _packages()
    place = choose_device(torch, device)
    _check_precision(weights, place)
    try:
        processor = transformers.AutoProcessor.from_pretrained(
            weights.folder, local_files_only=True
        )
        model, found = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(
            weights.folder,
            local_files_only=True,
            output_loading_info=True,
            dtype=_dtype(torch, weights, place),
            attn_implementation="sdpa",
            **_placement(torch, transformers, weights.precision, place),
        )
    except Exception as error:  # damaged files make the libraries raise errors of any kind
        line = str(error).strip().splitlines()[0]
        raise ModelError(f"{weights.folder}: cannot be loaded as Qwen2.5-VL: {line}") from error
    if lacking := sorted(found["missing_keys"]):
        raise ModelError(
            f"{weights.folder}: lacks {len(lacking)} tensors, as {lacking[0]}; download it again"
        )
    processor.tokenizer.padding_side = "left"
    if weights.precision == "full" and not weights.quantised:
        model = model.to(place)
    yes, no = (_word_tokens(processor.tokenizer, WORDS[word]) for word in ("yes", "no"))
    return Judge(model.eval(), processor, place, yes, no)


def _packages() -> tuple[Any, Any]:
    """torch and transformers, offline. Raises ModelError where one of the extra is missing."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import torch

        import_torchvision()
        import transformers
        import transformers.models.qwen2_5_vl
        from qwen_vl_utils import process_vision_info  # noqa: F401
    except ModuleNotFoundError as error:
        raise PackageMissing(f"{error}; the vision-language judge needs: {INSTALL}") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return torch, transformers


def choose_device(torch: Any, wanted: DeviceName) -> str:
    """`cuda` or `cpu`. DeviceError if `cuda` is demanded and torch sees no GPU."""
    seen = torch.cuda.is_available()
    if wanted == "cuda" and not seen:
        raise DeviceError(
            f"--device is 'cuda', but torch {torch.__version__} sees no GPU; install the driver "
            "and a torch built for it, or use --device cpu"
        )
    return "cuda" if seen and wanted != "cpu" else "cpu"


def _check_precision(weights: Weights, place: str) -> None:
    if weights.quantised and weights.precision != "full":
        raise ModelError(
            f"{weights.folder}: its weights are quantised already; leave --precision away"
        )
    if weights.quantised and place == "cpu":
        raise DeviceError(f"{weights.folder}: quantised weights need a GPU; use a full model")


def _dtype(torch: Any, weights: Weights, place: str) -> Any:
    if place == "cpu":
        return torch.float32
    half = weights.quantised or not torch.cuda.is_bf16_supported()
    return torch.float16 if half else torch.bfloat16


def _placement(torch: Any, transformers: Any, precision: Precision, place: str) -> dict[str, Any]:
    """Arguments that quantise on loading; such a model cannot be moved afterwards."""
    if precision == "full":
        return {}
    config = transformers.BitsAndBytesConfig(
        load_in_8bit=precision == "8bit",
        load_in_4bit=precision == "4bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32 if place == "cpu" else torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": place}}


def _word_tokens(tokenizer: Any, words: Iterable[str]) -> tuple[int, ...]:
    """The ids of those spellings that are one token."""
    found = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    single = tuple(ids[0] for ids in found if len(ids) == 1)
    if not single:
        raise ModelError(f"the model's tokenizer has no token for {next(iter(words))!r}")
    return single


def yes_no(judge: Judge, asks: Iterable[Ask], batch: int) -> list[YesNo]:
    """Each question answered by the logits of the first word, `batch` at a time."""
    return in_batches(asks, batch, lambda some: _yes_no(judge, some))


def _yes_no(judge: Judge, asks: Sequence[Ask]) -> list[YesNo]:
    inputs = prepare(judge, asks)
    with _inference():
        logits = judge.model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1].float()
    yes, no = (logits[:, list(ids)].logsumexp(1) for ids in (judge.yes, judge.no))
    mass = (yes.logaddexp(no) - logits.logsumexp(1)).exp()
    p_yes = (yes - no).sigmoid()
    return [YesNo(*pair) for pair in zip(p_yes.tolist(), mass.clamp(max=1).tolist(), strict=True)]


def choose(judge: Judge, asks: Iterable[Ask], answers: Sequence[str], batch: int) -> list[Choice]:
    """Each question answered with one of `answers`: greedily, token by token."""
    trie = _trie(judge.processor.tokenizer, answers)
    return in_batches(asks, batch, lambda some: _choose(judge, some, trie))


def _trie(tokenizer: Any, answers: Sequence[str]) -> Trie:
    end = tokenizer.convert_tokens_to_ids(END_OF_TURN)
    return Trie((tokenizer.encode(text, add_special_tokens=False) for text in answers), end)


def _choose(judge: Judge, asks: Sequence[Ask], trie: Trie) -> list[Choice]:
    inputs, tokenizer = prepare(judge, asks), judge.processor.tokenizer
    begin = inputs["input_ids"].shape[1]
    end = tokenizer.convert_tokens_to_ids(END_OF_TURN)
    with _inference():
        made = judge.model.generate(
            **inputs,
            max_new_tokens=trie.longest,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=end,
            pad_token_id=end,
            prefix_allowed_tokens_fn=lambda _, ids: trie.after(ids[begin:].tolist()),
            output_scores=True,
            return_dict_in_generate=True,
        )
    tokens = made.sequences[:, begin:]
    texts = tokenizer.batch_decode(tokens, skip_special_tokens=True)
    return [Choice(*pair) for pair in zip(texts, _path_p(made.scores, tokens), strict=True)]


def _path_p(scores: Sequence[Any], tokens: Any) -> list[float]:
    """Probability of each row of tokens among those allowed at each step.

    scores : a (batch, vocabulary) array of masked logits a step; tokens : (batch, steps)
    """
    total = sum(
        step.float().log_softmax(1).gather(1, tokens[:, k : k + 1]) for k, step in enumerate(scores)
    )
    paths: list[float] = total.exp()[:, 0].tolist()
    return paths


def prepare(judge: Judge, asks: Sequence[Ask]) -> Any:
    """The model's inputs for a batch of questions, padded on the left."""
    from qwen_vl_utils import process_vision_info

    turns = [_conversation(ask) for ask in asks]
    text = judge.processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    images, _ = process_vision_info(turns)
    # The pictures have their final size already. What is passed on whole holds
    # mm_token_type_ids, without which the model silently misplaces the pictures.
    return judge.processor(
        text=text, images=images, do_resize=False, padding=True, return_tensors="pt"
    ).to(judge.device)


def _conversation(ask: Ask) -> list[dict[str, Any]]:
    limits = {"min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS}
    pictures = [{"type": "image", "image": picture, **limits} for picture in ask.pictures]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": ask.text}]}]


def _inference() -> AbstractContextManager[Any]:
    import torch

    return torch.inference_mode()


def in_batches(
    asks: Iterable[Ask], batch: int, answer: Callable[[Sequence[Ask]], list[T]]
) -> list[T]:
    """The answers to all questions, `batch` at a time, and fewer where memory does not suffice."""
    source, answers = iter(asks), list[T]()
    while some := tuple(islice(source, batch)):
        answers += _halving(some, answer)
    return answers


def _halving(asks: Sequence[Ask], answer: Callable[[Sequence[Ask]], list[T]]) -> list[T]:
    """The answers; a batch that does not fit into the GPU's memory is cut in two."""
    import torch

    try:
        return answer(asks)
    except torch.OutOfMemoryError:
        if len(asks) == 1:
            raise ModelError(
                "the GPU's memory does not suffice for one question; use --precision 8bit or "
                "4bit, a smaller model, or --device cpu"
            ) from None
    torch.cuda.empty_cache()
    middle = len(asks) // 2
    return _halving(asks[:middle], answer) + _halving(asks[middle:], answer)
