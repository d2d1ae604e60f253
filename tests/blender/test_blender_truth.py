"""Ground truth out of Blender, held against closed forms and the reference ray caster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_stage as tiny

from transphy3d.groundtruth.camera import pixel_rays
from transphy3d.groundtruth.passes import FrameTruth, ground_truth
from transphy3d.groundtruth.raycast import Body, Hits, cast
from transphy3d.scenes.stage import Stage

# Cycles' rays pass within 0.005 px of a pixel's centre; on a slanted surface that is a depth
# error of as many pixels times the depth's slope. Beside it, float32's rounding in metres.
RAY_TOLERANCE_PIXELS = 0.01
ROUNDING_METRES = 2e-6
NORMAL_TOLERANCE_DEGREES = 0.1


def read(folder: Path, frame: int, intrinsics: np.ndarray, camera: np.ndarray) -> FrameTruth:
    name = f"{frame:04d}.exr"
    return ground_truth(
        folder / "frames/truth" / name, folder / "frames/behind" / name, intrinsics, camera
    )


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between unit vectors; exact for small angles."""
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=-1) / 2, 0, 1)))


def depth_tolerance(depth: np.ndarray) -> np.ndarray:
    """Greatest error that a ray off by `RAY_TOLERANCE_PIXELS` makes, metres."""
    return ROUNDING_METRES + RAY_TOLERANCE_PIXELS * sum(map(np.abs, np.gradient(depth)))


def interior(*images: np.ndarray) -> np.ndarray:
    """Pixels whose eight neighbours have the same value in every image."""
    same = np.ones(images[0].shape, bool)
    for image in images:
        padded = np.pad(image, 1, mode="edge")
        for dv in range(3):
            for du in range(3):
                same &= padded[dv : dv + image.shape[0], du : du + image.shape[1]] == image
    return same


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.write(tiny.truth_only(), tmp_path_factory.mktemp("stage") / "truth")
    tiny.render(folder)
    return folder


def assert_agrees(truth: FrameTruth, hits: Hits) -> None:
    """Every pixel inside a body to the tolerances; at edges no more than two pixels differ.

    There a hundredth of a pixel decides which body is met, and slopes mean nothing.
    """
    inside = interior(hits.body)
    assert inside.mean() > 0.75, "the comparison must leave out edges only"
    assert np.array_equal(truth.instance[inside], hits.instance[inside])
    assert np.sum(truth.instance != hits.instance) <= 2
    error = np.abs(truth.depth - hits.depth)
    assert np.all(error[inside] <= depth_tolerance(hits.depth)[inside])
    # The box's faces meet at sharp edges, where a hundredth of a pixel decides as well.
    smooth = interior(hits.body, np.where(hits.instance == 2, hits.triangle, 0))
    assert angles(truth.normal, hits.normal)[smooth].max() < NORMAL_TOLERANCE_DEGREES


@pytest.mark.parametrize("frame", range(len(tiny.CAMERAS)))
def test_every_pixel_agrees_with_the_reference_ray_caster(rendered: Path, frame: int) -> None:
    camera = tiny.CAMERAS[frame]
    truth = read(rendered, frame, tiny.intrinsics(), camera)
    assert_agrees(truth, cast(tiny.BODIES, tiny.intrinsics(), camera, tiny.WIDTH, tiny.HEIGHT))


@pytest.mark.parametrize("frame", range(len(tiny.CAMERAS)))
def test_depth_behind_is_the_depth_without_the_glass(rendered: Path, frame: int) -> None:
    camera = tiny.CAMERAS[frame]
    truth = read(rendered, frame, tiny.intrinsics(), camera)
    opaque = [body for body in tiny.BODIES if body.instance != 1]
    hits = cast(opaque, tiny.intrinsics(), camera, tiny.WIDTH, tiny.HEIGHT)
    assert truth.depth_behind is not None
    error = np.abs(truth.depth_behind - hits.depth)
    inside = interior(hits.body)
    assert np.all(error[inside] <= depth_tolerance(hits.depth)[inside])
    glass = truth.instance == 1
    assert glass.sum() > 100
    assert np.all(truth.depth[glass] < truth.depth_behind[glass])
    assert np.array_equal(truth.depth[~glass], truth.depth_behind[~glass])


def test_a_sphere_is_where_geometry_says_within_its_tessellation(rendered: Path) -> None:
    centre, radius = np.array((0, 0, 0.1)), 0.12
    for frame, camera in enumerate(tiny.CAMERAS):
        truth = read(rendered, frame, tiny.intrinsics(), camera)
        middle = camera[:3, :3] @ centre + camera[:3, 3]
        rays = pixel_rays(tiny.intrinsics(), tiny.HEIGHT, tiny.WIDTH)
        # |t r - m| = R, the nearer root; t is planar depth because r_z = 1.
        a, b = np.sum(rays**2, -1), rays @ middle
        root = b**2 - a * (middle @ middle - radius**2)
        expected = (b - np.sqrt(np.maximum(root, 0))) / a
        well_inside = (truth.instance == 1) & (root > 0.1 * a * radius**2)
        assert well_inside.sum() > 100
        # Chord of an icosphere's 4.1 degree edges: R (1 - cos 2.4 deg) = 0.1 mm, and obliqueness.
        error = np.abs(truth.depth - expected)[well_inside]
        assert error.max() < 5e-4
        normal = (rays * expected[..., None] - middle) / radius
        assert angles(truth.normal, normal)[well_inside].max() < 0.3


def test_the_floor_has_the_depth_and_normal_of_a_plane(rendered: Path) -> None:
    for frame, camera in enumerate(tiny.CAMERAS):
        truth = read(rendered, frame, tiny.intrinsics(), camera)
        up = camera[:3, 2]
        rays = pixel_rays(tiny.intrinsics(), tiny.HEIGHT, tiny.WIDTH)
        expected = (up @ camera[:3, 3]) / (rays @ up)
        floor = truth.instance == 0
        error = np.abs(truth.depth - expected)
        assert np.all(error[floor] <= depth_tolerance(expected)[floor])
        assert angles(truth.normal, up)[floor].max() < 0.001


def test_normals_are_unit_and_look_toward_the_camera(rendered: Path) -> None:
    for frame, camera in enumerate(tiny.CAMERAS):
        truth = read(rendered, frame, tiny.intrinsics(), camera)
        assert np.allclose(np.linalg.norm(truth.normal, axis=-1), 1, atol=1e-6)
        rays = pixel_rays(tiny.intrinsics(), tiny.HEIGHT, tiny.WIDTH)
        assert np.all(np.sum(truth.normal * rays, -1) < 0)


ODD_INTRINSICS = (
    tiny.intrinsics(fx=95.0, fy=80.0, cx=20.3, cy=30.8),
    tiny.intrinsics(fx=60.0, fy=88.0, cx=41.7, cy=15.2),
)


@pytest.mark.parametrize("intrinsics", ODD_INTRINSICS)
def test_intrinsics_hold_for_off_centre_and_non_square_pixels(
    tmp_path: Path, intrinsics: np.ndarray
) -> None:
    stage = replace(tiny.truth_only(), intrinsics=tiny.rows(intrinsics))
    tiny.render(tiny.write(stage, tmp_path / "stage"))
    truth = read(tmp_path / "stage", 0, intrinsics, tiny.CAMERAS[0])
    hits = cast(tiny.BODIES, intrinsics, tiny.CAMERAS[0], tiny.WIDTH, tiny.HEIGHT)
    assert_agrees(truth, hits)


def test_a_known_point_lands_on_its_predicted_subpixel(tmp_path: Path) -> None:
    """The corner of a quad covers exactly the pixels whose centres lie beyond its projection."""
    intrinsics, camera = tiny.intrinsics(fx=70, fy=77, cx=29.6, cy=26.2), np.eye(4)
    expected = np.array((22.37, 31.81))
    corner = np.array([(expected[0] - 29.6) / 70, (expected[1] - 26.2) / 77, 1.0])
    quad = np.array([(0, 0, 0), (9, 0, 0), (9, 9, 0), (0, 9, 0)]) + corner
    body = Body(replace(tiny.floor(1), vertices=quad), np.eye(4), 5)
    stage = one_body(body, (camera,), intrinsics)
    tiny.render(tiny.write(stage, tmp_path / "stage", (body,)))
    truth = read(tmp_path / "stage", 0, intrinsics, camera)
    seen = truth.instance == 5
    columns, rows = seen.any(axis=0), seen.any(axis=1)
    # Pixel k is covered if its centre, k + 0.5, lies beyond the corner.
    assert columns.argmax() == np.ceil(expected[0] - 0.5)
    assert rows.argmax() == np.ceil(expected[1] - 0.5)
    assert np.array_equal(seen, rows[:, None] & columns[None])


def one_body(body: Body, cameras: tuple[np.ndarray, ...], intrinsics: np.ndarray) -> Stage:
    objects = (replace(tiny.STAGE.objects[0], mesh="mesh0", instance=body.instance),)
    return tiny.truth_only(
        objects=objects,
        intrinsics=tiny.rows(intrinsics),
        world_to_camera=tuple(map(tiny.rows, cameras)),
    )


def test_subpixel_edges_are_resolved_to_a_twentieth_of_a_pixel(tmp_path: Path) -> None:
    """The corner moves by 0.05 px a frame past a pixel's centre; the switch must come on time."""
    intrinsics = tiny.intrinsics()
    edges = 10.5 + np.array((-0.1, -0.05, -0.02, 0.02, 0.05, 0.1))
    quad = np.array([(0, -9, 1), (9, -9, 1), (9, 9, 1), (0, 9, 1)], float)
    body = Body(replace(tiny.floor(1), vertices=quad), np.eye(4), 3)
    cameras = []
    for edge in edges:
        camera = np.eye(4)
        camera[0, 3] = (edge - intrinsics[0, 2]) / intrinsics[0, 0]
        cameras.append(camera)
    stage = one_body(body, tuple(cameras), intrinsics)
    tiny.render(tiny.write(stage, tmp_path / "stage", (body,)))
    for frame, edge in enumerate(edges):
        truth = read(tmp_path / "stage", frame, intrinsics, cameras[frame])
        assert np.all((truth.instance[:, 10] == 3) == (edge < 10.5)), edge


def test_nothing_is_zero_in_every_channel(tmp_path: Path) -> None:
    sky = tiny.looking((0, 0, 0.5), (0, 1, 0.9))
    stage = tiny.truth_only(world_to_camera=(tiny.rows(sky),))
    tiny.render(tiny.write(stage, tmp_path / "stage"))
    truth = read(tmp_path / "stage", 0, tiny.intrinsics(), sky)
    empty = truth.depth == 0
    assert empty.any()
    assert not truth.normal[empty].any()
    assert not truth.instance[empty].any()
    assert truth.depth_behind is not None
    assert not truth.depth_behind[empty].any()
