"""Finding a model's weights, and saying what to do where they are not."""

from __future__ import annotations

import sys

import pytest

from transphy3d.assets.weights import fingerprint, locate
from transphy3d.errors import ModelError, PackageMissing


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        (folder / name).write_text('{"model_type": "qwen2_5_vl"}')
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 20)
    return folder


def test_a_local_folder_is_named_by_its_content(folder):
    found = locate(str(folder))
    assert found.identity == f"my-model@{fingerprint(folder)}"
    assert not found.quantised


def test_another_training_of_the_same_size_has_another_name(folder):
    before = locate(str(folder)).identity
    (folder / "model.safetensors").write_bytes(bytes(range(1, 256)) * 20 + bytes(20))
    assert locate(str(folder)).identity != before


def test_precision_belongs_to_the_name(folder):
    assert locate(str(folder), precision="4bit").identity.endswith(" 4bit")


def test_quantised_weights_are_recognised(folder):
    awq = '{"model_type": "qwen2_5_vl", "quantization_config": {"quant_method": "awq"}}'
    (folder / "config.json").write_text(awq)
    assert locate(str(folder)).quantised


@pytest.mark.parametrize(
    ("config", "fault"),
    [('{"model_type": "bert"}', "model_type is 'bert'"), ("[]", "None"), ("{", "is damaged")],
)
def test_another_kind_of_model_is_refused(folder, config, fault):
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelError, match=fault):
        locate(str(folder))


def test_an_incomplete_folder_names_what_is_missing(folder):
    index = '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)
    (folder / "model-1.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"my-model: .*model-2\.safetensors are missing"):
        locate(str(folder))


@pytest.mark.parametrize("index", ['{"weight_map": {"a"', "{}", "[]", '{"weight_map": [1]}'])
def test_a_damaged_index_is_named(folder, index):
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelError, match=r"index\.json: is damaged .*download it again"):
        locate(str(folder))


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json"):
        locate(str(tmp_path))


@pytest.mark.parametrize("name", ["8b", "./nowhere", "/nowhere/model", "a/b/c"])
def test_an_unknown_name_is_an_error_that_lists_the_known(name):
    with pytest.raises(ModelError, match="7b, 3b, 7b-awq, 3b-awq"):
        locate(name)


def test_a_missing_package_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PackageMissing, match=r"transphy3d\[filter\]"):
        locate("7b")
