"""Families: discovered by being there, drawn from their ranges, strict about parameters."""

import numpy as np
import pytest

from transphy3d.assets.procedural import Choice, Family, Uniform, build, families
from transphy3d.assets.procedural.family import register
from transphy3d.errors import AssetError


def sampled(name, seed=0):
    return families()[name].sample(np.random.default_rng(seed))


def test_every_module_with_families_is_found():
    assert {"tumbler", "wine_glass", "coupe", "teapot", "lampshade"} <= set(families())
    assert all(name == family.name for name, family in families().items())


def test_sampling_stays_within_the_declared_ranges():
    for family in families().values():
        for seed in range(5):
            params = family.sample(np.random.default_rng(seed))
            assert set(params) == set(family.ranges)
            for name, span in family.ranges.items():
                assert span.admits(params[name])
                if isinstance(span, Uniform):
                    assert span.low <= params[name] <= span.high


def test_the_same_generator_draws_the_same_parameters():
    assert sampled("bottle", 3) == sampled("bottle", 3)
    assert sampled("bottle", 3) != sampled("bottle", 4)


def test_sampled_values_are_plain_python():
    kinds = {
        type(value)
        for family in families().values()
        for value in family.sample(np.random.default_rng(1)).values()
    }
    assert kinds <= {bool, int, float, str}


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(AssetError, match="did you mean 'height'"):
        build("tumbler", sampled("tumbler") | {"hight": 0.1}, 8)


def test_a_missing_parameter_is_named():
    params = sampled("tumbler")
    del params["wall"]
    with pytest.raises(AssetError, match="lacks parameter 'wall'"):
        build("tumbler", params, 8)


def test_a_value_of_the_wrong_kind_is_named():
    with pytest.raises(AssetError, match="'height' is 'tall'"):
        build("tumbler", sampled("tumbler") | {"height": "tall"}, 8)


def test_an_option_that_does_not_exist_is_named():
    with pytest.raises(AssetError, match="'pattern' is 'striped'"):
        build("tumbler", sampled("tumbler") | {"pattern": "striped"}, 8)


def test_an_unknown_family_names_the_nearest():
    with pytest.raises(AssetError, match="did you mean 'wine_glass'"):
        build("wineglass", {}, 8)


def test_two_families_cannot_share_a_name():
    with pytest.raises(AssetError, match="'tumbler'"):
        register(Family("tumbler", "other", {"size": Choice((1, 2))}, lambda params, n: None))
