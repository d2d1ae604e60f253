"""Names tell metal from glaze where a file cannot."""

import pytest

from transphy3d.assets.looks import look_for
from transphy3d.assets.metals import names_metal


@pytest.mark.parametrize(
    ("names", "metal"),
    [
        (("Steel-Pot", "Large pan"), True),
        (("Cuttelry", "Fork"), True),
        (("Material.001", "Spoons"), True),
        (("Edelstahl", "Topf"), True),
        (("fourchette", ""), True),
        (("White_ceramic", "Frying pan"), False),
        (("body", "Coffee mug"), False),
        (("body", "Vase"), False),
        (("pancake", "Dish"), False),
        (("", ""), False),
    ],
)
def test_the_first_name_that_says_something_decides(names, metal):
    assert names_metal(names) is metal


def test_what_was_judged_to_mirror_becomes_metal_or_glazed():
    assert look_for("reflective", "matte", metal=True) == "metal"
    assert look_for("reflective", "matte", metal=False) == "gloss"


def test_a_look_that_the_file_gives_is_kept():
    assert look_for("reflective", "gloss", metal=True) == "gloss"
    assert look_for("transparent", "metal", metal=True) == "clear"
