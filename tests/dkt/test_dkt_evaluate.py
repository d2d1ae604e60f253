"""Evaluation: kept parts, kinds of surface, pictures, others' predictions, joined tables."""

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image
from synthetic import make

from transphy3d.dkt.evaluation.error_pictures import PANEL_WIDTH, WORST
from transphy3d.dkt.evaluation.evaluate import Evaluation, chosen_frames, evaluate, measure
from transphy3d.dkt.evaluation.evaluation_report import write_report
from transphy3d.dkt.evaluation.joined import join
from transphy3d.dkt.evaluation.metrics import Protocol
from transphy3d.dkt.evaluation.predictions import read_place, stored_predictor
from transphy3d.dkt.evaluation.predictors import Predictor, baselines
from transphy3d.dkt.evaluation.results import read_results, write_results
from transphy3d.dkt.evaluation.tables import COLUMNS, Row, cells, latex_table, markdown_table
from transphy3d.dkt.evaluation.trial import make_protocol, open_trial
from transphy3d.errors import JobError, ShardError
from transphy3d.progress import make_progress
from transphy3d.shards.reader import open_dataset

FRAMES = 3


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two sequences of balls: glass, metal and ceramic."""
    root = tmp_path_factory.mktemp("balls") / "shards"
    for index in range(2):
        make(root / f"{index:06d}.h5", frames=FRAMES, size=(36, 48), index=index)
    return root


def inverse(recording):
    depth = recording["depth"][:].astype(np.float64)
    return np.divide(1, depth, out=np.zeros_like(depth), where=depth > 0)


def blurred_glass(recording):
    """True but for the first ball, which is of glass: seen through, as sensors do."""
    behind = recording["depth_behind"][:]
    return np.where(recording["instance"][:] == 1, 1 / behind, inverse(recording))


def work(shards, predictors=None, protocol=None, task="depth", pictures=0):
    protocol = protocol or Protocol()
    trial = open_trial(shards, "shards", None, protocol, task)
    chosen = baselines(trial, task, protocol) if predictors is None else predictors
    return Evaluation(trial, chosen, protocol, task, pictures)


class Counting:
    """A predictor that counts how often it is asked, and may fail once."""

    def __init__(self, fails_at=None):
        self.asked, self.fails_at = 0, fails_at

    def __call__(self, recording):
        self.asked += 1
        if self.asked == self.fails_at:
            raise KeyboardInterrupt
        return inverse(recording)


def run(what, out):
    return evaluate(what, out, make_progress("json"))


def test_what_is_done_is_not_done_again(shards, tmp_path):
    see = Counting()
    what = work(shards, [Predictor("mine", see)], pictures=2)
    first, second = run(what, tmp_path), run(what, tmp_path)
    assert see.asked == 2
    assert first == second


def test_a_stopped_evaluation_goes_on_with_the_next_recording(shards, tmp_path):
    see = Counting(fails_at=2)
    what = work(shards, [Predictor("mine", see)])
    with pytest.raises(KeyboardInterrupt):
        run(what, tmp_path)
    results = run(what, tmp_path)
    assert see.asked == 3
    assert {part.recording for part in results.parts} == {"000000", "000001"}


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": Protocol(align="frame")},
        {"protocol": Protocol(frames=2)},
        {"pictures": 2},
        {"about": {"weights": "others"}},
        {"state": lambda recording: "rewritten"},
    ],
)
def test_nothing_stale_is_used(shards, tmp_path, change):
    see = Counting()
    run(work(shards, [Predictor("mine", see)]), tmp_path)
    of_predictor = {k: v for k, v in change.items() if k in ("about", "state")}
    rest = {k: v for k, v in change.items() if k not in of_predictor}
    run(work(shards, [Predictor("mine", see, **of_predictor)], **rest), tmp_path)
    assert see.asked == 4


def test_data_that_were_made_again_are_measured_again(tmp_path):
    see = Counting()
    make(tmp_path / "s/000000.h5", frames=2, size=(36, 48))
    run(work(tmp_path / "s", [Predictor("mine", see)]), tmp_path)
    make(tmp_path / "s/000000.h5", frames=2, size=(36, 48), index=0)
    run(work(tmp_path / "s", [Predictor("mine", see)]), tmp_path)
    assert see.asked == 2


@pytest.mark.parametrize("harm", ["pictures/*.png", "parts/*.json"])
def test_what_was_damaged_is_done_again(shards, tmp_path, harm):
    see = Counting()
    what = work(shards, [Predictor("mine", see)], pictures=2)
    whole = run(what, tmp_path)
    victim = next(tmp_path.glob(harm))
    victim.write_text("{") if victim.suffix == ".json" else victim.unlink()
    assert run(what, tmp_path) == whole
    assert see.asked == 3


def far_flicker(recording):
    """True within 0.6 m, and of another scale beyond in every second frame."""
    true = inverse(recording)
    odd = (np.arange(len(true)) % 2)[:, None, None]
    return np.where(1 / np.maximum(true, 1e-6) > 0.6, true * (1 + odd), true)


def test_what_lies_beyond_the_depth_that_counts_costs_nothing_over_time(shards):
    found = {}
    for name, see in (("true", inverse), ("flicker", far_flicker)):
        near = work(shards, [Predictor(name, see)], Protocol(max_depth=0.6))
        found[name] = measure(near).rows[0].figures
    assert found["flicker"] == found["true"]
    everywhere = measure(work(shards, [Predictor("flicker", far_flicker)])).rows[0].figures
    assert everywhere["tae"] > 10 * found["true"]["tae"]


def test_the_constant_of_normals_is_that_of_what_counts(shards):
    found = {}
    for region in ("all", "objects"):
        rows = measure(work(shards, protocol=Protocol(region=region), task="normal")).rows
        found[region] = {row.name: row.figures["mean"] for row in rows}
    assert found["all"]["constant"] < 0.8 * found["all"]["toward the camera"]
    assert found["objects"]["constant"] <= 1.1 * found["objects"]["toward the camera"]


def test_an_error_on_glass_stands_in_the_row_of_glass(shards):
    """By the truth's own scale, so that alignment does not spread the error."""
    what = work(shards, [Predictor("mine", blurred_glass)], Protocol(align="none"))
    found = {(g.kind, g.name): g.rows[0].figures["rel"] for g in measure(what).groups}
    assert found["optical class", "transparent"] > 0.05
    assert found["material", "glass"] == found["optical class", "transparent"]
    for group in ("reflective", "opaque", "surroundings"):
        assert found["optical class", group] < 1e-9
    assert list(found)[:4] == [
        ("optical class", name) for name in ("transparent", "reflective", "opaque", "surroundings")
    ]


def test_pixels_of_a_kind_are_those_of_its_instances(shards):
    results = measure(work(shards, [Predictor("mine", inverse)], Protocol(max_depth=0.75)))
    near = [(r["depth"][:] > 0) & (r["depth"][:] <= 0.75) for r in open_dataset(shards)]
    truth = [(r["instance"][:], each) for r, each in zip(open_dataset(shards), near, strict=True)]
    assert not all(each.all() for each in near)
    for number, name in enumerate(("surroundings", "transparent", "reflective", "opaque")):
        expected = sum(int(((i == number) & known).sum()) for i, known in truth)
        (group,) = (g for g in results.groups if (g.kind, g.name) == ("optical class", name))
        assert group.pixels == expected


def test_errors_over_time_and_distance_add_up(shards):
    results = measure(work(shards, [Predictor("mine", blurred_glass)]))
    for part in results.parts:
        assert np.mean(part.over_time) == pytest.approx(part.figures["rel"], rel=1e-5)
        sums, counts = np.array(part.over_distance).T
        recording = open_dataset(shards)[int(part.recording)]
        depth = recording["depth"][:]
        assert counts.sum() == (depth > 0).sum()
        edges = results.distance_edges
        inside = (depth >= edges[10]) & (depth < edges[11])
        assert counts[10] == inside.sum()
        by_frame = [(depth[t] > 0).sum() for t in range(FRAMES)]
        assert sums.sum() == pytest.approx(np.dot(part.over_time, by_frame), rel=1e-4)


def test_the_worst_recordings_come_first(shards, tmp_path):
    def second_is_wrong(recording):
        return inverse(recording) if recording.name == "000000" else blurred_glass(recording)

    results = measure(work(shards, [Predictor("mine", second_is_wrong)]))
    write_results(tmp_path, results)
    stored = json.loads((tmp_path / "scores.json").read_text())
    assert [part["recording"] for part in stored["parts"]] == ["000001", "000000"]
    assert read_results(tmp_path) == results


def test_frames_to_paint_are_spread_over_all_recordings(shards):
    recordings = open_dataset(shards)
    assert chosen_frames(recordings, 0) == [[], []]
    assert chosen_frames(recordings, 2) == [[1], [1]]
    assert chosen_frames(recordings, 100) == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("task", ["depth", "normal"])
def test_a_picture_shows_where_the_error_is(shards, tmp_path, task):
    def see(recording):
        right = recording["normal"][:] if task == "normal" else inverse(recording)
        wrong = -right if task == "normal" else 10 * right
        glass = recording["instance"][:] == 1
        return np.where(glass[..., None] if task == "normal" else glass, wrong, right)

    protocol = Protocol(align="none")
    kind = "normal" if task == "normal" else "disparity"
    run(work(shards, [Predictor("mine", see, kind)], protocol, task, pictures=1), tmp_path)
    (path,) = (tmp_path / "pictures").glob("*.png")
    frame = int(path.name.split("-")[1])
    picture = np.asarray(Image.open(path), float)
    recording = open_dataset(shards)[int(path.name.split("-")[0])]
    height = PANEL_WIDTH * 36 // 48
    panel = picture[26 : 26 + height, -PANEL_WIDTH:].sum(-1)
    at = (np.arange(36) + 0.5) * height / 36, (np.arange(48) + 0.5) * PANEL_WIDTH / 48
    sampled = panel[np.ix_(*(a.astype(int) for a in at))]
    glass = recording["instance"][frame] == 1
    known = recording["depth"][frame] > 0
    assert sampled[glass].min() > 400  # the brightest colour
    assert sampled[known & ~glass].max() < 200  # the darkest
    assert WORST == {"depth": 0.25, "normal": 45.0}


def test_the_page_shows_tables_curves_and_pictures_that_are_there(shards, tmp_path):
    results = run(work(shards, pictures=2), tmp_path)
    page = write_report(tmp_path, results).read_text()
    shown = re.findall(r'<img[^>]* src="([^"]+)"', page)
    assert len(shown) == 2 * len(results.rows)
    assert all((tmp_path / name).is_file() for name in shown)
    assert page.count("<polyline") == 2 * len(results.rows)
    assert "transparent" in page and "align video" in page and "ceramic" in page
    for row in results.rows:
        assert f"<td>{row.name}</td>" in page


def test_names_of_others_are_text_on_the_page(shards, tmp_path):
    what = work(shards, [Predictor("<script>", inverse)], pictures=1)
    page = write_report(tmp_path, run(what, tmp_path)).read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page


def stored(shards, folder, protocol=None, task="depth"):
    protocol = protocol or Protocol()
    trial = open_trial(shards, "shards", None, protocol, task)
    predictor = stored_predictor("theirs", folder, trial, task, protocol)
    return measure(Evaluation(trial, [predictor], protocol, task)).rows[0].figures


def lay_down(shards, folder, change=lambda array: array, name="disparity", place="{}.npz"):
    for recording in open_dataset(shards):
        right = recording["normal"][:] if name == "normal" else inverse(recording)
        path = folder / place.format(recording.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{name: change(right)})
    return folder


@pytest.mark.parametrize("place", ["{}.npz", "{}/prediction.npz"])
def test_predictions_of_any_program_are_measured(shards, tmp_path, place):
    folder = lay_down(shards, tmp_path, lambda d: (3 * d + 1).astype(np.float16), place=place)
    assert stored(shards, folder)["rel"] < 0.01
    assert stored(shards, folder)["delta_1.05"] == 1


def test_depth_in_metres_is_measured_as_it_is(shards, tmp_path):
    folder = lay_down(
        shards, tmp_path, lambda d: np.divide(1.1, d, where=d > 0, out=0 * d), name="depth"
    )
    protocol = Protocol(align="none", domain="depth")
    assert stored(shards, folder, protocol)["rel"] == pytest.approx(0.1, abs=1e-4)
    # Where disparity is what is fitted, depth becomes disparity first.
    assert stored(shards, folder)["rel"] < 1e-6


def test_normals_in_files_are_measured(shards, tmp_path):
    folder = lay_down(shards, tmp_path, name="normal")
    assert stored(shards, folder, task="normal")["mean"] < 0.1


def test_a_prediction_of_the_whole_video_serves_some_of_its_frames(shards, tmp_path):
    def mark(disparity):
        disparity[1] = disparity[1] ** 2 + 1
        return disparity

    folder = lay_down(shards, tmp_path, mark)
    assert stored(shards, folder, Protocol(stride=2))["rel"] < 1e-9
    assert stored(shards, folder)["rel"] > 0.01


def test_predictions_of_another_size_are_resized_where_asked(shards, tmp_path):
    folder = lay_down(shards, tmp_path, lambda d: d.repeat(2, 1).repeat(2, 2))
    with pytest.raises(ShardError, match=r"72x96 and the truth 36x48.*--resize bilinear"):
        stored(shards, folder)
    assert stored(shards, folder, Protocol(resize="bilinear"))["rel"] < 1e-6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d[:2], r"disparity is \(2, 36, 48\); 3 frames of 36x48 are expected"),
        (lambda d: d[0], r"disparity is \(36, 48\)"),
        (lambda d: d * np.nan, "000000, theirs: .*not finite.*in frame 0; predict every pixel"),
        (lambda d: d.astype(complex), "is of complex128; write float32"),
        (lambda d: np.full(d.shape, "x"), "write float32"),
    ],
)
def test_predictions_that_cannot_be_compared_are_named(shards, tmp_path, change, words):
    with pytest.raises(ShardError, match=words):
        stored(shards, lay_down(shards, tmp_path, change))


def test_nan_where_nothing_counts_costs_nothing(shards, tmp_path):
    folder = lay_down(shards, tmp_path, lambda d: np.where(d > 0, d, np.nan))
    assert stored(shards, folder)["rel"] < 1e-9


def test_files_that_are_missing_or_damaged_are_named(shards, tmp_path):
    with pytest.raises(ShardError, match=r"has no 000000.npz for the recording 000000"):
        stored(shards, tmp_path)
    lay_down(shards, tmp_path, name="disparty")
    with pytest.raises(ShardError, match="holds disparty; one of disparity, depth is expected"):
        stored(shards, tmp_path)
    lay_down(shards, tmp_path)
    (tmp_path / "000001.npz").write_bytes((tmp_path / "000001.npz").read_bytes()[:900])
    with pytest.raises(ShardError, match=r"000001.npz: cannot be read as .npz"):
        stored(shards, tmp_path)
    (tmp_path / "000001.npz").unlink()
    with pytest.raises(ShardError, match="for the recording 000001; did you mean '000000'"):
        stored(shards, tmp_path)
    with pytest.raises(JobError, match="there is no folder"):
        read_place("depth-anything=nowhere")


def test_places_of_predictions_have_names(tmp_path):
    assert read_place(f"depth-anything={tmp_path}") == ("depth-anything", tmp_path)
    assert read_place(str(tmp_path)) == (tmp_path.name, tmp_path)


def two(shards, tmp_path, **other):
    """Two evaluations on disk, the second of another protocol or model."""
    for name, change in (("a", {}), ("b", other)):
        about = change.pop("about", {"settings": "x"})
        predictors = [
            Predictor("constant", inverse),
            Predictor("model", blurred_glass, about=about),
        ]
        results = measure(work(shards, predictors, Protocol(**change)))
        write_results(tmp_path / name, dataclasses.replace(results, title=name.upper()))
    return [str(tmp_path / "a/scores.json"), str(tmp_path / "b")]


def test_evaluations_join_into_one_table(shards, tmp_path):
    sources = two(shards, tmp_path)
    table = join(sources, "rel,delta_1.05", "markdown", mixed=False)
    assert "| method | A: REL | A: δ1.05 | B: REL | B: δ1.05 |" in table
    assert "| constant | **0.0000** | **100.00** | **0.0000** | **100.00** |" in table
    assert table.count("Protocol:") == 1
    paper = join(["x=" + sources[0], sources[1]], "rel", "latex", mixed=False)
    assert r"& \multicolumn{1}{c}{x} & \multicolumn{1}{c}{B} \\" in paper
    assert r"\cmidrule(lr){2-2}\cmidrule(lr){3-3}" in paper
    assert r"constant & \textbf{0.0000} & \textbf{0.0000} \\" in paper


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"align": "frame"}, "align is video in A, but frame in B"),
        ({"stride": 2}, "stride is 1 in A, but 2 in B"),
        ({"about": {"settings": "y"}}, "model: settings is x in A, but y in B"),
    ],
)
def test_what_differs_is_not_joined_unless_told(shards, tmp_path, other, words):
    sources = two(shards, tmp_path, **other)
    with pytest.raises(JobError, match=words):
        join(sources, None, "markdown", mixed=False)
    assert "| model |" in join(sources, None, "markdown", mixed=True)


def test_tables_that_cannot_be_joined_are_errors_with_a_remedy(shards, tmp_path):
    sources = two(shards, tmp_path)
    with pytest.raises(JobError, match="title of two evaluations; name them TITLE=SCORES"):
        join([sources[0], sources[0]], None, "markdown", mixed=False)
    with pytest.raises(JobError, match="did you mean 'rmse'"):
        join(sources, "rmsee", "markdown", mixed=False)
    with pytest.raises(JobError, match="did you mean 'latex'"):
        join(sources, None, "latx", mixed=False)
    with pytest.raises(ShardError, match="cannot be read"):
        join([str(tmp_path / "c")], None, "latex", mixed=False)
    (tmp_path / "a/scores.json").write_text('{"task": "depth"}')
    with pytest.raises(ShardError, match="measure again"):
        join(sources, None, "latex", mixed=False)


ROWS = [
    Row(name="a_b", figures={"rel": 0.1, "delta_1.05": 0.5}),
    Row(name="c", figures={"rel": 0.2, "delta_1.05": 0.75}),
]


def test_the_best_of_a_column_is_bold():
    rel, delta = COLUMNS["depth"][0], COLUMNS["depth"][3]
    assert cells(ROWS, rel) == [("0.1000", True), ("0.2000", False)]
    assert cells(ROWS, delta) == [("50.00", False), ("75.00", True)]
    assert cells(ROWS[:1], rel) == [("0.1000", False)]
    assert cells(ROWS, COLUMNS["depth"][6]) == [("-", False), ("-", False)]
    assert "| c | 0.2000 | **75.00** |\n" in markdown_table("method", ROWS, [rel, delta])
    assert "a\\_b & \\textbf{0.1000} \\\\\n" in latex_table(ROWS, [("", [rel])])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ({"domain": "disparty"}, "did you mean 'disparity'"),
        ({"resize": "bilinar"}, "did you mean 'bilinear'"),
        ({"align": "all"}, "known are video, frame, none"),
    ],
)
def test_wrong_words_of_a_protocol_are_errors(words, hint):
    with pytest.raises(JobError, match=hint):
        make_protocol(**words)


def test_every_knob_is_printed():
    said = Protocol().describe()
    assert all(f"{field.name} " in said for field in dataclasses.fields(Protocol))
