"""What storing costs: nothing for integers, a stated error for depth and normals."""

from __future__ import annotations

import numpy as np
import pytest

from transphy3d.config import CHANNELS as JOB_CHANNELS
from transphy3d.shards import codec
from transphy3d.shards.schema import CHANNELS


def unit_vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(3).normal(size=(1, count, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_the_format_has_the_channels_that_a_job_can_ask_for():
    assert tuple(CHANNELS) == JOB_CHANNELS


def test_depth_is_rounded_by_at_most_two_to_the_minus_16_of_itself():
    depth = np.random.default_rng(1).uniform(0.01, 50, 100_000).astype("f4")
    error = np.abs(codec.round_mantissa(depth).astype(float) - depth) / depth
    assert error.max() <= 2**-16
    assert error.max() > 2**-17


def test_depth_of_nothing_stays_exactly_zero():
    assert codec.round_mantissa(np.zeros(3, "f4")).tolist() == [0, 0, 0]


def test_rounding_twice_changes_nothing():
    depth = np.random.default_rng(1).uniform(0.01, 50, 1000).astype("f4")
    once = codec.round_mantissa(depth)
    assert np.array_equal(codec.round_mantissa(once), once)


def test_normals_come_back_within_the_stated_angle():
    normals = unit_vectors(50_000)
    back = codec.decode_normals(codec.encode_normals(normals.astype("f4"))).astype(float)
    angle = np.degrees(2 * np.arcsin(np.linalg.norm(back - normals, axis=-1) / 2))
    assert angle.max() < 0.015


def test_normals_come_back_with_unit_length():
    back = codec.decode_normals(codec.encode_normals(unit_vectors(5000)))
    assert np.abs(np.linalg.norm(back, axis=-1) - 1).max() < 1e-6


@pytest.mark.parametrize("axis", np.vstack([np.eye(3), -np.eye(3)]).tolist())
def test_axes_come_back_exactly(axis):
    codes = codec.encode_normals(np.array([[axis]]))
    assert codec.decode_normals(codes).reshape(3).tolist() == axis


def test_a_missing_normal_comes_back_as_exact_zeros():
    assert codec.decode_normals(codec.encode_normals(np.zeros((2, 2, 3)))).any() == np.False_


@pytest.mark.parametrize("name", list(CHANNELS))
def test_chunks_decompress_to_the_same_bytes(name):
    spec = CHANNELS[name]
    shape = spec.stored_shape(7, 9)
    stored = np.random.default_rng(2).integers(0, 255, shape).astype(spec.dtype)
    chunk = codec.compress(spec, stored)
    assert codec.decompress(spec, chunk, shape).tobytes() == stored.tobytes()
