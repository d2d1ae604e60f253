"""What a training run shows to people: curves, held-out clips, checkpoints."""

import re

import av
import dkt_run
import numpy as np
import pytest
from PIL import Image

from transphy3d.dkt.training import checkpoint, gallery
from transphy3d.dkt.training.curves import charts, smoothed, svg, write_picture
from transphy3d.dkt.training.log import read_log
from transphy3d.dkt.training.panels import depth_panels, normal_panels, write_clip, write_strip
from transphy3d.dkt.training.report import write_report
from transphy3d.dkt.training.train import train
from transphy3d.preview.colour import BACKGROUND
from transphy3d.progress import make_progress

DARK, BRIGHT = (68, 1, 84), (253, 231, 37)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = dkt_run.lay_out(tmp_path_factory.mktemp("dkt"))
    job = dkt_run.job(root)
    train(job, root / "run", make_progress("json"))
    return root / "run", job


@pytest.fixture(scope="module")
def page(run):
    return (run[0] / "report.html").read_text()


def test_training_leaves_a_page_with_curves_and_settings(page):
    for title in ("Training loss", "Loss at fixed noise", "REL, held out"):
        assert title in page
    assert page.count("<svg") == 4
    assert "image gradient" in page and "constant" in page
    assert "<dt>optimiser.rate</dt><dd>0.001</dd>" in page
    assert "<dt>data[0].weight</dt><dd>1.0</dd>" in page


def test_the_page_names_the_checkpoints_with_their_scores(run, page):
    last = checkpoint.found(run[0])[-1]
    assert f"{last.score:.4f}" in page
    assert "best and last" in page
    assert f'href="checkpoints/{last.path.name}"' in page


def test_the_page_needs_nothing_but_the_folder(run, page):
    sources = re.findall(r'(?:src|href)="([^"#]+)"', page)
    links = [s for s in sources if not s.startswith("data:")]
    assert [link for link in links if link.endswith(".mp4")]
    assert all((run[0] / link).exists() for link in links)


def test_validation_is_filmed(run):
    strips = gallery.strips(run[0], 4)
    assert [path.name for path in strips] == ["clip-00.jpg"]
    with av.open(str(strips[0].with_suffix(".mp4"))) as film:
        stream = film.streams.video[0]
        assert sum(1 for _ in film.decode(stream)) == 1
        assert stream.width == 4 * 240 and stream.height == 160


def test_the_log_tells_what_baselines_score(run):
    told = [line for line in read_log(run[0]) if "rel" in line]
    assert all(line["rel_constant"] > 0 and line["rel_image_gradient"] > 0 for line in told)


def test_pictures_stay_as_long_as_their_checkpoint(run):
    root, job = run
    orphan = gallery.folder(root, 3)
    orphan.mkdir()
    write_report(root, job)
    assert not orphan.exists()
    assert gallery.strips(root, 4)


def clip(frames=3):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (frames, 8, 10, 3), np.uint8)
    return rgb, rng.uniform(1, 3, (frames, 8, 10)).astype(np.float32)


def test_what_is_right_up_to_scale_and_shift_looks_like_the_truth():
    rgb, depth = clip()
    panels = depth_panels(rgb, depth, 7 / depth - 2)
    assert np.array_equal(panels["predicted"], panels["truth"])
    assert (panels["error"] == DARK).all()


def test_errors_are_bright_and_what_is_unknown_is_grey():
    rgb, depth = clip()
    depth[:, :4] = 0
    panels = depth_panels(rgb, depth, np.zeros(depth.shape))
    assert (panels["error"][:, :4] == BACKGROUND).all()
    assert (panels["truth"][:, :4] == BACKGROUND).all()
    assert (panels["error"][depth > 2.9] == BRIGHT).all()


def test_normals_are_compared_by_their_angle():
    rgb, _ = clip()
    truth = np.zeros((3, 8, 10, 3), np.float32)
    truth[..., 2] = -1
    assert (normal_panels(rgb, truth, 5 * truth)["error"] == DARK).all()
    assert (normal_panels(rgb, truth, -truth)["error"] == BRIGHT).all()


def test_a_strip_has_a_row_a_panel_and_a_film_all_frames(tmp_path):
    rgb, depth = clip(frames=9)
    panels = depth_panels(rgb, depth, 1 / depth)
    write_strip(tmp_path / "strip.jpg", panels)
    assert Image.open(tmp_path / "strip.jpg").size == (5 * 240, 4 * 192)
    write_clip(tmp_path / "clip.mp4", panels, fps=12)
    with av.open(str(tmp_path / "clip.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.average_rate == 12
        assert sum(1 for _ in film.decode(stream)) == 9


def test_charts_show_what_was_logged_and_only_that(tmp_path):
    log = [{"step": step, "loss": 1 / step} for step in (1, 2, 3, 4)]
    (only,) = charts(log)
    assert only.title == "Training loss"
    assert only.curves[0].values.tolist() == [1, 1 / 2, 1 / 3, 1 / 4]
    steps, means = smoothed(only.curves[0], 2)
    assert steps.tolist() == [1.5, 2.5, 3.5] and means[0] == 0.75
    assert svg(only) == svg(only)
    write_picture(tmp_path / "curves.png", [only])
    assert Image.open(tmp_path / "curves.png").width > 400


def test_baselines_are_levels(run):
    chart = next(c for c in charts(read_log(run[0])) if c.title.startswith("REL"))
    assert {c.label: c.level for c in chart.curves} == {
        "model": False,
        "constant": True,
        "image gradient": True,
    }
