"""The commands, on tiny models written to disk."""

import json

import dkt_run
import numpy as np
import OpenEXR
import pytest
from command_line import run_cli
from PIL import Image
from safetensors.torch import load_file
from synthetic import cast, intrinsics, orbit

from transphy3d.dkt.inference.cloud import write_ply
from transphy3d.groundtruth.camera import fov_intrinsics, unproject
from transphy3d.shards.reader import open_dataset

SMALL = ("--size", "32x48", "--dtype", "float32", "--device", "cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = dkt_run.lay_out(tmp_path_factory.mktemp("dkt"))
    dkt_run.job(root)
    Image.new("RGB", (48, 32)).save(root / "a.png")
    return root


@pytest.fixture(scope="module")
def trained(root):
    said = run_cli("dkt", "train", root / "job-4-0.0.yaml", "--out", root / "run")
    assert said.returncode == 0, said.stderr
    return root / "run/checkpoints/step-0000004"


def test_a_trained_lora_sees_a_folder_of_pictures(root, trained, tmp_path):
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(open_dataset(root / "shards")[0]["rgb"][:6]):
        Image.fromarray(frame).save(tmp_path / f"in/{number}.png")
    said = run_cli(
        *("dkt", "infer", tmp_path / "in", "--out", tmp_path / "seen", *SMALL),
        *("--network", root / "network", "--vae", root / "vae"),
        *("--lora", trained / "lora.safetensors", "--formats", "npz,png,exr,mp4"),
    )
    assert said.returncode == 0, said.stderr
    assert "20 layers of rank 4, 0 missing" in said.stdout
    stored = np.load(tmp_path / "seen/prediction.npz")["disparity"]
    assert stored.shape == (6, 72, 96) and stored.dtype == np.float32
    png = np.asarray(Image.open(tmp_path / "seen/png/000003.png"))
    np.testing.assert_allclose(png / 65535, stored[3], atol=1 / 65535)
    exr = OpenEXR.File(str(tmp_path / "seen/exr/000003.exr")).channels()["disparity"].pixels
    assert np.array_equal(exr, stored[3])
    assert (tmp_path / "seen/prediction.mp4").stat().st_size > 500
    assert not list((tmp_path / "seen").glob(".*"))


def test_point_clouds_need_metres(root, tmp_path):
    look = ("dkt", "infer", root / "a.png", "--out", tmp_path / "seen", "--formats", "ply", *SMALL)
    base = ("--network", root / "network", "--vae", root / "vae")
    for more, words in [
        ((), "name the first frame's depth by --sensor"),
        (
            ("--sensor", root / "a.png", "--poses", root / "a.txt"),
            "--sensor and --poses: each gives",
        ),
        (("--poses", root / "none.npy"), "none.npy: cannot be read as poses"),
        (("--camera-height", "0.6"), "belong together"),
    ]:
        refused = run_cli(*look, *base, *more)
        assert refused.returncode in (2, 7)
        assert words in refused.stderr


def test_the_table_shows_model_and_baselines_with_the_protocol(root, trained, tmp_path):
    said = run_cli(
        *("dkt", "eval", root / "shards", "--out", tmp_path, *SMALL),
        *("--network", root / "network", "--vae", root / "vae"),
        *("--lora", trained / "lora.safetensors"),
    )
    assert said.returncode == 0, said.stderr
    assert "align video, domain disparity, region all, max_depth None" in said.stdout
    assert all(f"| {name} |" in said.stdout for name in ("constant", "height ramp", "model"))
    data = json.loads((tmp_path / "scores.json").read_text())
    ramp, constant = (
        next(r for r in data["rows"] if r["name"] == n)["figures"]["rel"]
        for n in ("height ramp", "constant")
    )
    assert ramp < constant
    assert "\\begin{tabular}" in (tmp_path / "scores.tex").read_text()
    assert (tmp_path / "report.html").exists() and list((tmp_path / "pictures").glob("*-model-*"))
    joined = run_cli("dkt", "table", f"balls={tmp_path}", "--figures", "rel", "--layout", "latex")
    assert joined.returncode == 0, joined.stderr
    assert r"\multicolumn{1}{c}{balls}" in joined.stdout and f"{ramp:.4f}" in joined.stdout


def test_an_exported_lora_has_the_published_keys(trained, tmp_path):
    said = run_cli("dkt", "export", trained, tmp_path / "lora.safetensors")
    assert said.returncode == 0, said.stderr
    assert "20 layers" in said.stdout
    keys = load_file(tmp_path / "lora.safetensors")
    assert "blocks.0.cross_attn.q.lora_A.default.weight" in keys


def test_a_dry_run_counts_and_trains_nothing(root, tmp_path):
    said = run_cli("dkt", "train", root / "job-4-0.0.yaml", "--dry-run", "--out", tmp_path / "x")
    assert said.returncode == 0, said.stderr
    assert "2 sequences, 20 frames" in said.stdout
    assert "4 steps" in said.stdout
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--size", "30x48"), "steps of 16"),
        (("--task", "dept"), "did you mean 'depth'"),
        (("--formats", "npzz"), "did you mean 'npz'"),
        (("--overlap", "30"), "overlap: 30"),
        (("--device", "cuda"), "torch sees no GPU"),
        (("--device", "gpu"), "name auto, cpu, cuda"),
        (("--lora", "none.safetensors"), "cannot be read as safetensors"),
    ],
)
def test_wrong_options_are_errors_with_a_remedy(root, tmp_path, change, words):
    said = run_cli(
        *("dkt", "infer", root / "a.png", "--out", tmp_path / "seen"),
        *("--network", root / "network", "--vae", root / "vae", *SMALL, *change),
    )
    assert said.returncode in (1, 2, 6)
    assert words in said.stderr
    assert "Traceback" not in said.stderr


def test_points_lie_where_the_scene_is(tmp_path):
    k, pose = intrinsics(96, 72), orbit(1)[0]
    depth, _, _, world = cast(pose, k, (72, 96), ())
    cloud = unproject(depth, k)
    expected = world @ pose[:3, :3].T + pose[:3, 3]
    np.testing.assert_allclose(cloud, expected, atol=1e-5)
    np.testing.assert_allclose(fov_intrinsics(50.0, 96, 72), k)
    write_ply(tmp_path / "a.ply", cloud, np.zeros((72, 96, 3), np.uint8))
    data = (tmp_path / "a.ply").read_bytes()
    head, body = data.split(b"end_header\n", 1)
    assert b"element vertex 6912" in head
    assert len(body) == 6912 * 15
    assert np.frombuffer(body[:12], "<f4").tolist() == cloud[0, 0].astype("f4").tolist()
