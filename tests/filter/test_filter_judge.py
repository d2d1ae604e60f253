"""`transphy3d assets judge --model` on a bank, with a model whose right answers are known."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from bank_of_colours import COLOURS, add, asset_id, make_bank
from command_line import command, run_cli

from transphy3d.assets import asking, prompts, vlm
from transphy3d.assets.answers import answers_file, read_answers
from transphy3d.assets.asking import Asking, ask_bank, askable
from transphy3d.assets.bank import Bank
from transphy3d.assets.weights import locate
from transphy3d.errors import PackageMissing
from transphy3d.progress import make_progress


def ask(bank, model, batch=4, again=False):
    how = Asking(locate(str(model)), "cpu", batch, "never", again)
    return ask_bank(bank, askable(bank, ()), how, make_progress("plain", unit="asset"))


@pytest.fixture(scope="module")
def judged(tiny_model, tmp_path_factory):
    """A bank judged by the command that users call, and what that said."""
    bank = make_bank(tmp_path_factory.mktemp("judged") / "bank")
    said = run_cli("assets", "judge", "--model", tiny_model, "--bank", bank.root, "--batch", "4")
    assert said.returncode == 0, said.stderr
    return bank, said


@pytest.mark.parametrize(("bright", "hue"), COLOURS)
def test_every_asset_is_judged_by_the_rule(judged, bright, hue):
    signal = judged[0].read(asset_id(bright, hue)).signals["vlm"]
    assert (signal.transparent > 0.5) == bright
    assert (signal.reflective > 0.5) == (hue != "grey")
    assert signal.mass > 0.8
    assert f"prompts {prompts.PROMPT_VERSION}" in signal.version
    assert signal.evidence["category"] in prompts.CATEGORIES
    assert signal.evidence["p_yes.single"] > 0.5


def test_reasons_say_what_the_pictures_show(judged):
    reasons = judged[0].read(asset_id(True, "grey")).signals["vlm"].reasons
    assert any(reason.startswith("the pictures show see-through") for reason in reasons)
    assert any(reason.startswith("the pictures do not show a mirror") for reason in reasons)


def test_one_judge_alone_sends_to_review_and_none_rejects(judged):
    bank, said = judged
    verdicts = {asset.id: asset.verdict for asset in bank.records()}
    assert verdicts[asset_id(True, "grey")].ruling == "review"
    assert verdicts[asset_id(True, "grey")].optical == "transparent"
    assert verdicts[asset_id(False, "red")].optical == "reflective"
    assert verdicts[asset_id(False, "grey")].ruling == "rejected"
    assert "assets a minute" in said.stdout


def test_kept_answers_need_no_model(judged, tiny_model, monkeypatch):
    monkeypatch.setattr(asking, "load", None)
    asked = ask(judged[0], tiny_model)
    assert asked.tally.outcomes == {"known": len(COLOURS)}


def test_other_pictures_models_and_prompts_are_asked_anew(judged, monkeypatch):
    bank = judged[0]
    asset = bank.read(asset_id(True, "red"))
    model = asset.signals["vlm"].version.split(" prompts ")[0]
    assert read_answers(bank, asset, model) is not None
    assert read_answers(bank, asset, model + " 4bit") is None
    other = bank.read(asset_id(True, "blue"))
    assert answers_file(bank, asset, model) != answers_file(bank, other, model)
    monkeypatch.setattr("transphy3d.assets.answers.PROMPT_VERSION", "another")
    assert read_answers(bank, asset, model) is None


def test_a_damaged_answer_is_asked_again(tiny_model, tmp_path):
    bank = Bank(tmp_path)
    asset = add(bank, "own-one", True, "grey")
    ask(bank, tiny_model)
    model = locate(str(tiny_model)).identity
    answers_file(bank, asset, model).write_text('{"asset": ')
    assert ask(bank, tiny_model).tally.outcomes == {"asked": 1}
    assert read_answers(bank, asset, model) is not None


def test_one_broken_picture_stops_no_other_asset(tiny_model, tmp_path):
    bank = Bank(tmp_path)
    broken = add(bank, "own-broken", True, "grey")
    add(bank, "own-whole", True, "grey")
    bank.file(broken.views[0]).write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    asked = ask(bank, tiny_model)
    assert asked.tally.outcomes == {"unreadable": 1, "asked": 1}
    assert "vlm" not in bank.read("own-broken").signals
    assert "vlm" in bank.read("own-whole").signals


def test_a_killed_run_goes_on_where_it_stopped(tiny_model, tmp_path):
    bank, total = Bank(tmp_path / "bank"), 12
    for number in range(total):
        add(bank, f"own-{number:02d}", number % 2 == 0, "grey", seed=number)
    words = ("assets", "judge", "--model", tiny_model, "--bank", bank.root, "--batch", "1")
    process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL)
    while process.poll() is None and len(list(bank.answers.glob("*.json"))) < 2:
        time.sleep(0.01)
    process.kill()
    assert process.wait() < 0
    kept = len(list(bank.answers.glob("*.json")))
    assert 2 <= kept < total
    said = run_cli(*words[:-2])
    assert (
        f"known        {kept}\n" in said.stdout and f"asked        {total - kept}\n" in said.stdout
    )
    signals = [asset.signals["vlm"] for asset in bank.records()]
    assert [signal.transparent > 0.5 for signal in signals] == [True, False] * (total // 2)


@pytest.mark.parametrize(
    ("model", "hints"),
    [
        ("7b", ("hf download Qwen/Qwen2.5-VL-7B-Instruct --revision cc594898", "17 GB", "Apache")),
        ("3b", ("hf download Qwen/Qwen2.5-VL-3B-Instruct --revision 66285546", "Research")),
        ("somebody/else", ("hf download somebody/else", "--model FOLDER")),
    ],
)
def test_absent_weights_say_how_to_get_them(judged, tmp_path, monkeypatch, model, hints):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    said = run_cli("assets", "judge", "--model", model, "--bank", judged[0].root)
    assert said.returncode == 1
    assert all(hint in said.stderr for hint in hints), said.stderr
    assert len(said.stderr.splitlines()) == 1


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "qwen_vl_utils", None)
    with pytest.raises(PackageMissing, match=r"pip install 'transphy3d\[filter\]'"):
        vlm._packages()


def test_nothing_is_asked_of_the_network():
    vlm._packages()
    assert os.environ["HF_HUB_OFFLINE"] == "1"
