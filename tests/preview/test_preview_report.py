from __future__ import annotations

import json
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from preview_data import FRAMES, HOSTILE, RIGS

from transphy3d.preview import SetAside
from transphy3d.preview.charts import bar_chart, depth_histogram, histogram
from transphy3d.preview.facts import DEPTH_EDGES, camera_facts, gather
from transphy3d.preview.places import video_path
from transphy3d.preview.report import COLUMNS, card_numbers, write_report
from transphy3d.preview.video import write_video

VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Elements with attributes, texts by element, and tags that do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.unmatched, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        self.unmatched += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unmatched.append(tag)

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def tags(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def folder(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for sequence in dataset[:2]:
        write_video(sequence, video_path(folder, sequence))
    write_report(dataset, folder, set_aside=[SetAside("000009", "RenderError", HOSTILE)])
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text())


def rows(page):
    data = next(data for tag, data in page.texts if tag == "script" and data.startswith("[["))
    return json.loads(data)


def test_page_is_well_formed(page):
    assert page.unmatched == []
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))


def test_page_lists_every_sequence_with_its_facts(page, dataset):
    listed = rows(page)
    assert [row[0] for row in listed] == [sequence.name for sequence in dataset]
    assert all(len(row) == len(COLUMNS) for row in listed)
    by_title = dict(zip([title for title, _ in COLUMNS], listed[2], strict=True))
    assert by_title["Frames"] == FRAMES and by_title["Attempts"] == 3
    assert (by_title["Support"], by_title["Light"]) == ("tray", "window")


def test_hostile_names_stay_text(page, folder):
    text = (folder / "report.html").read_text()
    assert HOSTILE not in text and "<img src=x" not in text
    assert len(page.tags("script")) == 2
    assert any(HOSTILE in row[2] for row in rows(page))
    assert any(tag == "td" and data == HOSTILE for tag, data in page.texts)
    assert any(tag == "span" and data == HOSTILE for tag, data in page.texts)


def test_links_lead_to_files_and_nothing_leads_to_the_network(page, folder):
    links = [
        attributes[name]
        for _, attributes in page.elements
        for name in ("href", "src", "poster")
        if name in attributes
    ]
    links += [row[-1] for row in rows(page) if row[-1]]
    anchors = {"#" + attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for link in links:
        assert link in anchors or link.startswith("data:") or (folder / link).is_file(), link
    assert len(page.tags("video")) == 2


def test_thumbnails_are_those_with_a_video_if_there_are_any():
    assert card_numbers(["", "a", "", "b"]) == [1, 3]
    assert card_numbers(["", ""]) == [0, 1]
    assert len(card_numbers([""] * 11_000)) == 24


def test_depth_histogram_counts_every_hit_pixel_of_the_frames_read(dataset):
    facts = gather(dataset[0], read_pixels=True)
    depth = dataset[0]["depth"][[0, 1, 3, 4]]
    assert facts.pixels.depth.sum() == (depth > 0).sum()
    shown = depth_histogram(facts.pixels.depth)
    assert sum(shown.counts) == (depth > 0).sum()
    first = np.flatnonzero(facts.pixels.depth)[0]
    wanted = ((depth >= DEPTH_EDGES[first]) & (depth < DEPTH_EDGES[first + 1])).sum()
    assert shown.counts[0] == wanted > 0


def test_visibility_is_the_share_of_pixels_of_all_of_an_objects_pieces(dataset):
    sequence = dataset[0]
    pixels = gather(sequence, read_pixels=True).pixels
    masks = sequence["instance"][[0, 1, 3, 4]] == sequence.objects[0].instance
    assert np.isclose(pixels.share[sequence.objects[0].object], masks.mean())
    assert pixels.visible.tolist() == [1.0, 1.0, 1.0]


def test_page_shows_the_counts_of_the_data(page, dataset):
    lights = [data for tag, data in page.texts if tag == "span"]
    for rig, count in Counter(RIGS).items():
        assert lights[lights.index(rig) + 1] == str(count)
    assert lights[lights.index("escaped") + 1] == "3"
    counts = [int(a["data-count"]) for a in page.tags("span") if "data-count" in a]
    first = gather(dataset[0], read_pixels=True)
    assert counts[0] == len(dataset)
    depth = sum(gather(item, read_pixels=True).pixels.depth for item in dataset)
    bins = np.trim_zeros(depth).tolist()
    assert counts[1 : 1 + len(bins)] == bins
    assert first.objects == 3


def test_camera_distance_elevation_and_speed_of_a_known_circle():
    angles = np.radians([0, 90, 180])
    positions = np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.full(3, 4.0)], axis=1)
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = -positions
    camera = camera_facts(poses, np.zeros(3), 50.0, fps=2.0)
    assert np.allclose(camera.distance, 5)
    assert np.allclose(camera.elevation, np.degrees(np.arctan2(4, 3)))
    assert np.allclose(camera.speed, 2 * 3 * 2**0.5)


def test_histogram_counts_all_values_and_names_the_middle():
    values = np.linspace(1, 2, 1000)
    shown = histogram("x", " m", values)
    assert sum(shown.counts) == 1000 and max(shown.heights) == 1.0
    assert (shown.low, shown.high) == ("1 m", "2 m")
    assert shown.summary == "median 1.5 m, 90% within 1.05 to 1.95 m"


def test_whole_numbers_get_a_bin_each():
    shown = histogram("objects", "", [4, 4, 6])
    assert shown.counts == (2, 0, 1)
    assert shown.labels == ("4: 2", "5: 0", "6: 1")
    assert (shown.low, shown.high) == ("4", "6")


def test_rounding_noise_is_one_value_not_a_distribution():
    shown = histogram("fov", "°", 50 + np.linspace(0, 1e-9, 40))
    assert sorted(shown.counts)[-1] == 40
    assert shown.summary == "practically always 50°"


def test_no_values_make_an_empty_histogram():
    assert histogram("speed", " m/s", []).summary == "no data"


def test_bars_beyond_the_twelfth_are_counted_together():
    chart = bar_chart("x", Counter({f"name {n:02d}": 20 - n for n in range(15)}))
    assert len(chart.bars) == 12 and chart.bars[0].length == 1.0
    assert chart.omitted == "and 3 more, together 21"
