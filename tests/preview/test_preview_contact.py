from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from transphy3d.preview import contact
from transphy3d.preview.panels import font, shortened, spread
from transphy3d.preview.places import contact_path


@pytest.fixture(scope="module")
def sheet(dataset, tmp_path_factory):
    path = contact_path(tmp_path_factory.mktemp("sheet"))
    contact.contact_sheet(dataset, path)
    return np.asarray(Image.open(path))


def panel(sheet, row, column):
    """A panel's pixels, by the sheet's own measures; frames are 4:3."""
    height = contact.PANEL_WIDTH * 3 // 4
    pitch = contact.LABEL_HEIGHT + height + 3 * contact.GAP
    top = contact.HEADER_HEIGHT + contact.GAP + row * pitch + contact.LABEL_HEIGHT
    left = contact.MARGIN + column * (contact.PANEL_WIDTH + contact.GAP)
    return sheet[top : top + height, left : left + contact.PANEL_WIDTH]


def test_sheet_has_a_row_a_sequence_and_seven_panels(sheet, dataset):
    row = contact.LABEL_HEIGHT + contact.PANEL_WIDTH * 3 // 4 + 3 * contact.GAP
    height = contact.HEADER_HEIGHT + len(dataset) * row + contact.MARGIN
    width = 7 * (contact.PANEL_WIDTH + contact.GAP) - contact.GAP + 2 * contact.MARGIN
    assert sheet.shape == (height, width, 3)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(7))
def test_no_panel_is_blank(sheet, row, column):
    assert panel(sheet, row, column).std() > 10


def test_rgb_panels_are_grey_floors_and_normal_panels_green_ones(sheet):
    red, green, blue = panel(sheet, 0, 0)[-40:-20].mean(axis=(0, 1))
    assert abs(red - green) < 10 and abs(green - blue) < 10
    red, green, blue = panel(sheet, 0, 5)[-40:-20].mean(axis=(0, 1))
    assert green > red + 50 and green > blue + 20


def test_every_row_has_a_label(sheet):
    for row in range(3):
        top = contact.HEADER_HEIGHT + contact.GAP
        top += row * (contact.LABEL_HEIGHT + contact.PANEL_WIDTH * 3 // 4 + 3 * contact.GAP)
        label = sheet[top : top + contact.LABEL_HEIGHT, contact.MARGIN : contact.MARGIN + 200]
        assert (label.max(axis=-1) > 200).sum() > 50


def test_a_large_data_set_is_sampled(dataset, tmp_path):
    contact.contact_sheet(dataset, tmp_path / "one.png", rows=1)
    picture = Image.open(tmp_path / "one.png")
    row = contact.LABEL_HEIGHT + contact.PANEL_WIDTH * 3 // 4 + 3 * contact.GAP
    assert picture.height == contact.HEADER_HEIGHT + row + contact.MARGIN


@pytest.mark.parametrize(("count", "wanted"), [(3, 7), (7, 3), (120, 4), (1, 1), (0, 4)])
def test_spread_picks_distinct_indices_from_all_over(count, wanted):
    chosen = spread(count, wanted)
    assert len(chosen) == min(count, wanted) == len(set(chosen))
    assert chosen == sorted(chosen)
    assert all(0 <= index < count for index in chosen)


def test_long_labels_end_in_an_ellipsis_that_fits():
    face = font(13)
    text = shortened("wineglass, " * 40, face, 200)
    assert text.endswith("…") and face.getlength(text) <= 200
    assert shortened("jar", face, 200) == "jar"


def test_objects_are_counted_once_however_many_pieces_they_have(dataset):
    rows = dataset[0].objects
    assert contact.describe([*rows, rows[0]]).startswith("3 objects: ")
    assert contact.counted(["jar", "bowl", "bowl"]) == "bowl ×2, jar"
