"""The loader, the processor and the scores of the vision-language judge, on a tiny model."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_vlm import HUES, paint, truth

from transphy3d.assets import prompts, vlm
from transphy3d.assets.vlm import Ask
from transphy3d.assets.weights import locate
from transphy3d.errors import DeviceError, ModelError


def ask(pictures, question=prompts.QUESTIONS[0]):
    return Ask(tuple(pictures), prompts.heading(len(pictures)) + question.text)


def test_answers_follow_the_rule_that_the_model_was_taught(judge, rng):
    cases = [
        (question, bright, hue)
        for question in prompts.QUESTIONS
        for bright in (True, False)
        for hue in HUES
    ]
    said = vlm.yes_no(judge, [ask([paint(b, h, rng)], q) for q, b, h in cases], batch=8)
    wrong = [
        (question.topic, bright, hue, answer)
        for (question, bright, hue), answer in zip(cases, said, strict=True)
        if (answer.p_yes > 0.5) != truth(question.topic, bright, hue)
    ]
    assert wrong == []
    assert min(answer.mass for answer in said) > 0.9


def test_a_left_padded_batch_answers_as_single_questions_do(judge, rng):
    asks = [
        ask([paint(True, "red", rng)]),
        ask([paint(False, "blue", rng, edge=112), paint(False, "blue", rng)]),
        Ask((paint(True, "grey", rng),), "yes or no?"),
    ]
    lengths = vlm.prepare(judge, asks)["attention_mask"].sum(1)
    assert len(set(lengths.tolist())) == 3
    assert vlm.prepare(judge, asks)["attention_mask"][:, -1].tolist() == [1, 1, 1]
    together = vlm.yes_no(judge, asks, batch=3)
    alone = vlm.yes_no(judge, asks, batch=1)
    for one, other in zip(together, alone, strict=True):
        assert one.p_yes == pytest.approx(other.p_yes, abs=1e-5)
        assert one.mass == pytest.approx(other.mass, abs=1e-5)


def test_views_of_one_turn_all_reach_the_model(judge, rng):
    views = [paint(True, "grey", rng, edge=edge) for edge in (56, 84, 112, 140)]
    inputs = vlm.prepare(judge, [ask(views)])
    grids = inputs["image_grid_thw"].tolist()
    assert grids == [[1, edge // 14, edge // 14] for edge in (56, 84, 112, 140)]
    tokens = sum(rows * columns // 4 for _, rows, columns in grids)
    assert int((inputs["mm_token_type_ids"] == 1).sum()) == tokens


def test_token_types_are_passed_on_and_matter(judge, rng, monkeypatch):
    asks = [ask([paint(True, "red", rng, edge=112), paint(True, "red", rng)])]
    seen = {}
    forward = judge.model.forward

    def spy(**inputs):
        seen.update(inputs)
        return forward(**inputs)

    monkeypatch.setattr(judge.model, "forward", spy)
    vlm.yes_no(judge, asks, batch=1)
    assert torch.equal(seen["mm_token_type_ids"], vlm.prepare(judge, asks)["mm_token_type_ids"])
    with torch.inference_mode():
        whole = forward(**seen).logits
        lacking = forward(**{k: v for k, v in seen.items() if k != "mm_token_type_ids"}).logits
    assert (whole - lacking).abs().max() > 1e-3


def test_large_pictures_are_shrunk_to_the_limit_of_tokens(judge, rng):
    inputs = vlm.prepare(judge, [ask([paint(True, "grey", rng, edge=1024)])])
    assert inputs["image_grid_thw"].tolist() == [[1, 32, 32]]


def test_a_model_that_does_not_answer_has_little_mass(untrained_model, rng):
    stranger = vlm.load(locate(str(untrained_model)), "cpu")
    said = vlm.yes_no(stranger, [ask([paint(True, "red", rng)])], batch=1)
    assert said[0].mass < 0.1


def test_a_constrained_answer_is_always_one_of_the_set(judge, untrained_model, rng):
    stranger = vlm.load(locate(str(untrained_model)), "cpu")
    answers = tuple(prompts.descriptions())
    asks = [
        Ask((paint(bright, "grey", rng, edge),), prompts.OPEN_QUESTION)
        for bright, edge in ((True, 56), (False, 112), (True, 84))
    ]
    for model in (judge, stranger):
        for choice in vlm.choose(model, asks, answers, batch=2):
            assert choice.answer in answers
            assert set(json.loads(choice.answer)) == {"category", "part"}
            assert 0 < choice.p <= 1


def test_the_only_allowed_answer_is_certain(judge, rng):
    asks = [Ask((paint(True, "grey", rng),), "What is it?")]
    (choice,) = vlm.choose(judge, asks, ['{"category": "jar"}'], batch=1)
    assert choice == vlm.Choice('{"category": "jar"}', 1.0)


def test_a_batch_too_large_for_the_gpu_is_cut_in_two():
    sizes = []

    def answer(asks):
        sizes.append(len(asks))
        if len(asks) > 2:
            raise torch.OutOfMemoryError
        return [ask.text for ask in asks]

    asks = [Ask((), str(number)) for number in range(5)]
    assert vlm.in_batches(asks, 5, answer) == ["0", "1", "2", "3", "4"]
    assert sizes == [5, 2, 3, 1, 2]


def test_one_question_that_does_not_fit_says_what_to_do():
    def answer(asks):
        raise torch.OutOfMemoryError

    with pytest.raises(ModelError, match="--precision 8bit"):
        vlm.in_batches([Ask((), "")], 1, answer)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_demanded_gpu_that_is_not_there_is_an_error(tiny_model):
    with pytest.raises(DeviceError, match="--device cpu"):
        vlm.load(locate(str(tiny_model)), "cuda")


def test_weights_that_lack_tensors_are_refused(tiny_model, tmp_path):
    folder = tmp_path / "torn"
    shutil.copytree(tiny_model, folder)
    tensors = load_file(folder / "model.safetensors")
    gone = sorted(tensors)[0]
    rest = {name: tensor for name, tensor in tensors.items() if name != gone}
    save_file(rest, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"torn: lacks \d tensors"):
        vlm.load(locate(str(folder)), "cpu")


def test_weights_that_are_cut_short_are_refused(tiny_model, tmp_path):
    folder = tmp_path / "torn"
    shutil.copytree(tiny_model, folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="torn: cannot be loaded"):
        vlm.load(locate(str(folder)), "cpu")
