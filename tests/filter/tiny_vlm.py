"""A Qwen2.5-VL of 190,000 parameters, made offline and trained on a rule that tests can check.

The rule is about flat colours: a bright picture shows something transparent, a red one something
mirror-like, a blue one something glazed; every picture shows one single thing that can be held.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from transphy3d.assets import prompts
from transphy3d.assets.vlm import Ask, Judge, prepare
from transphy3d.files import canonical_json, sha256_text
from transphy3d.torchvision_import import import_torchvision

import_torchvision()

import transformers  # noqa: E402
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402
from transformers import (  # noqa: E402
    AddedToken,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX  # noqa: E402

EDGE = 56  # pixels of a training picture
RATE = 2e-3
HUES = ("red", "blue", "grey")
SPECIALS = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>"),
    *("<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer() -> Qwen2Tokenizer:
    """A byte-level BPE that has seen the questions often enough to spell them in few tokens."""
    texts = [question.text for question in prompts.QUESTIONS]
    texts += [prompts.heading(1), prompts.heading(2), "yes no Yes No user assistant"]
    texts += [prompts.description("bottle", "body"), *prompts.CATEGORIES, *prompts.PARTS]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(texts * 4, trainer)
    made = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=made["vocab"],
        merges=[tuple(pair) for pair in made["merges"]],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    tokenizer.add_tokens([AddedToken(text, special=True) for text in SPECIALS])
    return tokenizer


def make_processor() -> Qwen2_5_VLProcessor:
    image = Qwen2VLImageProcessor(patch_size=14, merge_size=2, temporal_patch_size=2)
    return Qwen2_5_VLProcessor(image, make_tokenizer(), Qwen2VLVideoProcessor(), TEMPLATE)


def make_config(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    ids = tokenizer.convert_tokens_to_ids
    return Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            # The three sections add up to half of a head's 16 dimensions.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e6,
                "mrope_section": [2, 3, 3],
            },
            "bos_token_id": ids("<|endoftext|>"),
            "eos_token_id": ids("<|im_end|>"),
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": 64,
            "num_heads": 2,
            "fullatt_block_indexes": [1],
            "window_size": 112,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def make_model(processor: Qwen2_5_VLProcessor, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """Untrained; weights of a deviation of 0.08, for with the usual 0.02 it learns too slowly."""
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(make_config(processor.tokenizer))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.08)
    return model


def paint(bright: bool, hue: str, rng: np.random.Generator, edge: int = EDGE) -> Image.Image:
    """A flat picture with some noise; hue : red, blue or grey."""
    level = rng.uniform(170, 200) if bright else rng.uniform(60, 90)
    shift = {"red": (55, -60, -60), "blue": (-60, -60, 55), "grey": (0, 0, 0)}[hue]
    pixels = np.array([level]) + shift + rng.normal(0, 4, (edge, edge, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def truth(topic: str, bright: bool, hue: str) -> bool:
    """What the rule says to a question."""
    rules = {"transparent": bright, "mirror": hue == "red", "glazed": hue == "blue"}
    return rules.get(topic, True)


def as_judge(processor: Qwen2_5_VLProcessor, model: Qwen2_5_VLForConditionalGeneration) -> Judge:
    """What `vlm.load` gives, without files; yes and no are not looked at in training."""
    processor.tokenizer.padding_side = "left"
    return Judge(model, processor, "cpu", (), ())


def lesson(rng: np.random.Generator) -> tuple[Ask, str]:
    """A question about up to three random pictures of one colour, and its answer."""
    bright, hue = bool(rng.integers(2)), str(rng.choice(HUES))
    question = prompts.QUESTIONS[rng.integers(len(prompts.QUESTIONS))]
    pictures = tuple(paint(bright, hue, rng) for _ in range(rng.integers(1, 4)))
    answer = "yes" if truth(question.topic, bright, hue) else "no"
    return Ask(pictures, prompts.heading(len(pictures)) + question.text), answer


def train(judge: Judge, steps: int = 300, batch: int = 16, seed: int = 0) -> list[float]:
    """Teach the rule; the losses of all steps."""
    rng, losses = np.random.default_rng(seed), []
    optimizer = torch.optim.AdamW(judge.model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    word = {text: judge.processor.tokenizer.encode(text)[0] for text in ("yes", "no")}
    for _ in range(steps):
        asks, answers = zip(*(lesson(rng) for _ in range(batch)), strict=True)
        logits = judge.model(**prepare(judge, asks), logits_to_keep=1).logits[:, -1]
        target = torch.tensor([word[answer] for answer in answers])
        loss = torch.nn.functional.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def build(folder: Path, *, trained: bool) -> list[float]:
    """Write a model's files into a new folder; the losses of its training."""
    processor = make_processor()
    model = make_model(processor, seed=0)
    losses = train(as_judge(processor, model)) if trained else []
    folder.mkdir(parents=True)
    processor.save_pretrained(folder)
    model.save_pretrained(folder)
    return losses


def kept_build(cache: Path) -> Path:
    """The folder of the trained model, which is built once for one state of this file."""
    made_of = [Path(__file__).read_text(), prompts.PROMPT_VERSION, torch.__version__]
    made_of += [transformers.__version__]
    folder = cache / f"tiny-vlm-{sha256_text(canonical_json(made_of))[:12]}"
    if not folder.is_dir():
        scratch = folder.with_name(f".{folder.name}.{os.getpid()}")
        build(scratch, trained=True)
        scratch.rename(folder)
    return folder
