"""A whole rendered sequence, held against itself and against the geometry it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from command_line import run_cli
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial.transform import Rotation

from transphy3d import open_dataset
from transphy3d.assets.geometry import Mesh
from transphy3d.groundtruth.camera import in_frame, project, transform
from transphy3d.groundtruth.raycast import Body, cast
from transphy3d.groundtruth.reproject import carry, reproject
from transphy3d.jsonio import from_data
from transphy3d.scenes.build import build_geometry
from transphy3d.scenes.spec import SettledScene
from transphy3d.scenes.stage_build import pieces
from transphy3d.shards.reader import Sequence

FRAMES, WIDTH, HEIGHT, SEGMENTS = 8, 96, 60, 24
# On a table nothing of the surroundings stands before the objects.
CHANGES = {
    "sequences": 1,
    "frames": FRAMES,
    "width": WIDTH,
    "height": HEIGHT,
    "objects.count": [3, 3],
    "objects.segments": SEGMENTS,
    "supports.kinds": "{table: 1}",
    "rooms.kinds": "{backdrop: 1}",
    "camera.arc": [40, 50],
    "output.channels": "[depth, normal, instance]",
    "output.videos": 0,
}
FINE = 9  # subpixels in a row of a silhouette's pixel; odd, so that one is in the middle
SLACK = 5  # subpixels; Pillow draws polygons up to one and a half too large
WINDOW = (36, 26)  # pixels that the reference ray caster looks at


@dataclass(frozen=True)
class Piece:
    """A part of an object where it stands in the world."""

    instance: int
    object: int
    mesh: Mesh
    sharp_angle: float


@dataclass(frozen=True)
class Rendered:
    """A sequence as users read it, and its geometry as it was sampled."""

    sequence: Sequence
    pieces: tuple[Piece, ...]
    surroundings: tuple[Body, ...]

    @cached_property
    def depth(self) -> np.ndarray:
        return self.sequence["depth"][:]

    @cached_property
    def instance(self) -> np.ndarray:
        return self.sequence["instance"][:]

    @property
    def poses(self) -> np.ndarray:
        return self.sequence.world_to_camera

    @property
    def intrinsics(self) -> np.ndarray:
        return self.sequence.intrinsics


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    folder = tmp_path_factory.mktemp("sequence")
    changes = [word for key, value in CHANGES.items() for word in ("--set", f"{key}={value}")]
    said = run_cli("render", "smoke", "--out", folder / "run", *changes)
    assert said.returncode == 0, said.stderr + said.stdout
    sequence = open_dataset(folder / "run" / "shards")[0]
    return Rendered(sequence, *placed(from_data(SettledScene, sequence.scene), folder))


def placed(scene: SettledScene, cache: Path) -> tuple[tuple[Piece, ...], tuple[Body, ...]]:
    """Everything in world coordinates, by poses and scales alone."""
    geometry = build_geometry(scene.spec, SEGMENTS, cache)
    found = []
    for piece in pieces(scene, geometry):
        pose, mesh = scene.poses[piece.spec.id], piece.part.mesh
        turn = Rotation.from_quat(np.roll(pose.rotation, -1))
        vertices = turn.apply(piece.spec.scale * mesh.vertices) + pose.position
        own = replace(mesh, vertices=vertices)
        found.append(Piece(piece.instance, piece.spec.id, own, piece.asset.sharp_angle))
    statics = (*geometry.support.bodies, *geometry.room)
    return tuple(found), tuple(Body(b.mesh, np.eye(4), 0, b.sharp_angle) for b in statics)


def pairs() -> Iterator[tuple[int, int]]:
    """Every frame with every later one."""
    return ((t, t + k) for k in range(1, FRAMES) for t in range(FRAMES - k))


def test_every_frame_reprojects_into_every_later_one(rendered):
    depth, poses = rendered.depth, rendered.poses
    for t, other in pairs():
        found = reproject(depth[t], depth[other], poses[t], poses[other], rendered.intrinsics)
        assert len(found.residual) > 0.3 * WIDTH * HEIGHT
        assert found.floating.mean() < 0.01, (t, other)
        assert np.median(np.abs(found.residual)) < 5e-4, (t, other)


def test_a_pose_that_is_a_frame_late_does_not_reproject(rendered):
    depth, poses = rendered.depth, rendered.poses
    for t in range(FRAMES - 2):
        found = reproject(depth[t], depth[t + 1], poses[t], poses[t + 2], rendered.intrinsics)
        assert np.median(np.abs(found.residual)) > 1e-3


def test_a_point_that_stays_in_sight_keeps_its_object(rendered):
    owner = np.zeros(1 + max(piece.instance for piece in rendered.pieces), int)
    for piece in rendered.pieces:
        owner[piece.instance] = piece.object
    for t, other in pairs():
        before, after = owner[rendered.instance[t]], owner[rendered.instance[other]]
        there, seen = landing(rendered, t, other)
        assert (before[rendered.depth[t] > 0][seen] > 0).sum() > 30
        same = before[rendered.depth[t] > 0][seen] == after[there[seen, 1], there[seen, 0]]
        assert same.mean() > 0.995, (t, other)


def landing(rendered: Rendered, t: int, other: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) where the points of frame t fall in another, and which are seen there."""
    depth, poses = rendered.depth, rendered.poses
    positions, z = carry(depth[t], poses[t], poses[other], rendered.intrinsics)
    inside = in_frame(positions, depth[other].shape)
    there = np.where(inside[:, None], positions, 0).astype(int)
    gap = np.abs(depth[other][there[:, 1], there[:, 0]] / z - 1)
    return there, inside & (gap < 2e-3)


def silhouette(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which subpixels (H FINE, W FINE) the triangles of (V, 2) image points cover."""
    image = Image.new("1", (WIDTH * FINE, HEIGHT * FINE))
    draw = ImageDraw.Draw(image)
    for corners in (points * FINE - 0.5)[faces]:
        draw.polygon([tuple(corner) for corner in corners], fill=1)
    return np.asarray(image)


def covers(rendered: Rendered, frame: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """By instance, the pixels whose centres its triangles surely cover, and may cover."""
    found = {}
    for piece in rendered.pieces:
        local = transform(rendered.poses[frame], piece.mesh.vertices)
        points, depth = project(local, rendered.intrinsics)
        assert (depth > 0).all()
        fine = silhouette(points, piece.mesh.faces)
        surely, perhaps = ndimage.minimum_filter(fine, SLACK), ndimage.maximum_filter(fine, SLACK)
        middle = slice(FINE // 2, None, FINE)
        found[piece.instance] = surely[middle, middle], perhaps[middle, middle]
    return found


def test_masks_are_what_the_projected_geometry_covers(rendered):
    for frame in range(FRAMES):
        mask, shapes = rendered.instance[frame], covers(rendered, frame)
        surely = np.any([sure for sure, _ in shapes.values()], axis=0)
        perhaps = np.any([maybe for _, maybe in shapes.values()], axis=0)
        assert surely.sum() > 200
        assert (mask[surely] > 0).all()
        assert not mask[~perhaps].any()
        for number, (_, maybe) in shapes.items():
            assert not (mask == number)[~maybe].any(), (frame, number)


def test_where_one_object_alone_projects_it_is_the_one_seen(rendered):
    for frame in range(FRAMES):
        mask, shapes = rendered.instance[frame], covers(rendered, frame)
        for own in {piece.object for piece in rendered.pieces}:
            mine = [p.instance for p in rendered.pieces if p.object == own]
            others = [p.instance for p in rendered.pieces if p.object != own]
            alone = np.any([shapes[number][0] for number in mine], axis=0)
            alone &= ~np.any([shapes[number][1] for number in others], axis=0)
            assert alone.sum() > 10
            assert np.isin(mask[alone], mine).all(), (frame, own)


def test_a_window_of_a_real_scene_agrees_with_the_reference_ray_caster(rendered):
    frame = FRAMES // 2
    middle = np.argwhere(rendered.instance[frame] > 0).mean(axis=0).astype(int)
    width, height = WINDOW
    left = int(np.clip(middle[1] - width // 2, 0, WIDTH - width))
    top = int(np.clip(middle[0] - height // 2, 0, HEIGHT - height))
    view = np.s_[frame, top : top + height, left : left + width]
    shifted = rendered.intrinsics - np.array([(0, 0, left), (0, 0, top), (0, 0, 0)])
    objects = [Body(p.mesh, np.eye(4), p.instance, p.sharp_angle) for p in rendered.pieces]
    hits = cast([*objects, *rendered.surroundings], shifted, rendered.poses[frame], width, height)
    same = hits.instance == rendered.instance[view]
    assert same.mean() > 0.99  # a hundredth of a pixel decides at edges
    assert (hits.instance > 0).mean() > 0.2
    error = np.abs(rendered.depth[view] / hits.depth - 1)[same]
    assert np.median(error) < 1e-4
    assert (error < 2e-3).mean() > 0.98
    cosine = (hits.normal * rendered.sequence["normal"][frame][view[1:]]).sum(-1)[same]
    assert np.median(cosine) > np.cos(np.radians(0.2))
    assert (cosine > np.cos(np.radians(3))).mean() > 0.97
