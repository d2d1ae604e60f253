"""Names in many languages, and the words that only look like glass or metal."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from transphy3d.assets.bank import AssetRecord, Licence
from transphy3d.assets.lexicon import lexicon_signal, load_lexicon, split
from transphy3d.assets.material_report import Inspection, Looks, MaterialReport
from transphy3d.errors import AssetError

LEXICON = load_lexicon()


def named(name: str, **fields: object) -> AssetRecord:
    return AssetRecord(
        id="a", source="local", source_id="a", name=name, licence=Licence(name="own"), **fields
    )


def scores(name: str, **fields: object) -> tuple[float, float]:
    signal = lexicon_signal(named(name, **fields))
    return signal.transparent, signal.reflective


@pytest.mark.parametrize(
    "name",
    [
        "Wine glass",
        "wine_glasses",
        "beerGlass",
        "12-oz-glass",
        "Weinglas",
        "Glasflasche",
        "verre à vin",
        "Copa de vino",
        "bicchiere",
        "szklanka",
        "Szkło",
        "стакан",
        "玻璃杯",
        "ワイングラス",
        "AQUARIUM",
    ],
)
def test_glass_is_found_in_many_languages(name):
    assert scores(name) == (0.9, 0.0)


@pytest.mark.parametrize(
    "name",
    ["Fork", "kitchenKnife", "Stainless steel kettle", "Löffel", "couteau", "tenedor", "ложка",
     "汤勺", "スプーン", "Espejo", "Chrome faucet"],
)  # fmt: skip
def test_metal_is_found_in_many_languages(name):
    assert scores(name) == (0.0, 0.9)


@pytest.mark.parametrize(
    "name",
    ["cupboard", "cupcake", "pancake", "forklift", "Goldfish", "Fiberglass boat", "spoon rest",
     "bottle opener", "Key ring board", "panda", "Blumentopf", "glasses case", "Sofa"],
)  # fmt: skip
def test_words_that_only_contain_others_say_nothing(name):
    assert max(scores(name)) < 0.5


def test_spectacles_are_not_a_drinking_glass():
    assert scores("glasses")[0] < scores("glass")[0]


def test_what_a_thing_is_made_of_counts_more_than_what_belongs_to_it():
    table, tumbler = scores("Glass table with wooden legs")[0], scores("Table glass")[0]
    assert 0.4 <= table < tumbler
    assert scores("bottle for wine glass")[0] < 0.9
    assert scores("verre de table") == (0.9, 0.0)


def test_another_material_in_the_name_speaks_against_metal():
    assert scores("Wooden spoon")[1] < 0.5 <= scores("Spoon")[1]
    assert scores("Paper cup")[0] < 0.3


def test_tags_and_descriptions_count_less_than_the_name():
    name, tag = scores("Wine glass")[0], scores("Thing", tags=("wine glass",))[0]
    told = scores("Thing", description="a wine glass")[0]
    assert name > tag > told > 0


def made_of(**areas: float) -> Inspection:
    parts = tuple(
        MaterialReport(name=name, area=area, lobes={}, roughness=0, color=(0, 0, 0), looks=Looks())
        for name, area in areas.items()
    )
    return Inspection(version=1, objects=(), faces=1, materials=parts, looks=Looks())


def test_materials_names_count_by_the_area_that_they_cover():
    def glass(area: float) -> float:
        found = made_of(Glass_Clear=area, body=1 - area)
        return lexicon_signal(named("Thing"), found).transparent

    assert glass(0.6) == pytest.approx(0.9)
    assert glass(0.25) == pytest.approx(0.45)
    assert glass(0.0) == 0.0


def test_reasons_quote_the_words_and_silence_is_no_mass():
    signal = lexicon_signal(named("Wine glass"))
    assert signal.reasons == ("'wine glass' stands for transparent things (0.90)",)
    assert signal.mass == 1.0
    unknown = lexicon_signal(named("Thing"))
    assert (unknown.mass, unknown.transparent, unknown.reflective) == (0.0, 0.0, 0.0)


@given(st.text(max_size=60))
def test_any_name_gives_scores_between_0_and_1(name):
    signal = lexicon_signal(named(name))
    assert 0 <= signal.transparent <= 1
    assert 0 <= signal.reflective <= 1


def test_every_phrase_of_the_lexicon_is_found_by_its_own_words():
    for phrase in LEXICON.phrases.values():
        found = [hit.phrase for hit in LEXICON.name_hits(phrase.text)]
        assert [hit.look for hit in found] == [phrase.look], phrase
        assert found[0].score >= phrase.score


def test_words_part_at_capitals_digits_and_signs():
    assert split("beerGlass_02-XL.Große") == ["beer", "glass", "xl", "grosse"]


def test_a_lexicon_of_another_form_is_an_error_that_names_the_file(tmp_path):
    bad = tmp_path / "words.yaml"
    bad.write_text(yaml.safe_dump({"joints": [], "entries": [{"look": "shiny"}]}))
    with pytest.raises(AssetError, match=r"words\.yaml: is no lexicon: .*look"):
        load_lexicon(bad)
