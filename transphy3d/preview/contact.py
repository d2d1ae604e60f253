"""A contact sheet: one picture that shows a data set at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, ImageDraw

from transphy3d.files import replacing
from transphy3d.preview.panels import TITLES, Painter, font, painter, shortened, spread
from transphy3d.shards.reader import Dataset, Sequence
from transphy3d.shards.schema import ObjectRow
from transphy3d.wording import plural

MAX_ROWS = 16
RGB_FRAMES = 4
PANEL_WIDTH = 264
GAP = 6
MARGIN = 24
LABEL_HEIGHT = 30
HEADER_HEIGHT = 64
PAPER = (17, 18, 20)
INK = (236, 237, 240)
FAINT = (156, 160, 168)


def counted(words: Iterable[str]) -> str:
    """Words with how often each occurs, the frequent ones first: "bowl ×2, jar"."""
    counts = Counter(words)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{word} ×{count}" if count > 1 else word for word, count in ordered)


def one_per_object(rows: Iterable[ObjectRow]) -> list[ObjectRow]:
    """The first row of each object: its main part, in the table's order."""
    first: dict[int, ObjectRow] = {}
    for row in rows:
        first.setdefault(row.object, row)
    return list(first.values())


def describe(rows: Iterable[ObjectRow]) -> str:
    """What a sequence shows, in one line."""
    objects = one_per_object(rows)
    kinds = counted(row.kind for row in objects)
    return f"{plural(len(objects), 'object')}: {counted(row.asset for row in objects)} ({kinds})"


def columns(paint: Painter) -> list[tuple[str, int]]:
    """(channel, frame) of a row's panels: RGB through time, then the truth of its last frame."""
    frames = spread(len(paint.sequence), RGB_FRAMES)
    rgb = [("rgb", frame) for frame in frames if "rgb" in paint.channels]
    return rgb + [(name, frames[-1]) for name in paint.channels if name != "rgb"]


def fit(width: int, height: int) -> tuple[int, int]:
    """A panel's size on the sheet: as wide as its column, at most as tall as it is wide."""
    scale = min(PANEL_WIDTH / width, PANEL_WIDTH / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def draw_row(sequence: Sequence) -> Image.Image:
    """One sequence: a label and its panels, each named."""
    paint = painter(sequence)
    panels = [
        (f"{TITLES[name]}  {frame}", Image.fromarray(paint.paint(name, frame)))
        for name, frame in columns(paint)
    ]
    size = fit(*panels[0][1].size)
    width = len(panels) * (size[0] + GAP) - GAP
    row = Image.new("RGB", (width, LABEL_HEIGHT + size[1]), PAPER)
    draw = ImageDraw.Draw(row)
    draw_label(draw, sequence, width)
    for slot, (title, picture) in enumerate(panels):
        left = slot * (size[0] + GAP)
        row.paste(picture.resize(size, Image.Resampling.BOX), (left, LABEL_HEIGHT))
        draw_title(draw, title, (left, LABEL_HEIGHT + size[1]))
    return row


def draw_label(draw: ImageDraw.ImageDraw, sequence: Sequence, width: int) -> None:
    """The sequence's name and, as far as there is room, what it shows."""
    bold, plain = font(14, bold=True), font(13)
    start = bold.getlength(sequence.name) + 12
    baseline = LABEL_HEIGHT - 9
    draw.text((0, baseline), sequence.name, fill=INK, font=bold, anchor="ls")
    text = shortened(describe(sequence.objects), plain, width - start)
    draw.text((start, baseline), text, fill=FAINT, font=plain, anchor="ls")


def draw_title(draw: ImageDraw.ImageDraw, title: str, corner: tuple[int, int]) -> None:
    """A panel's name on a dark plate in its lower left corner."""
    face = font(10)
    left, bottom = corner
    draw.rectangle((left, bottom - 15, left + face.getlength(title) + 8, bottom), fill=PAPER)
    draw.text((left + 4, bottom - 4), title, fill=INK, font=face, anchor="ls")


def dataset_title(dataset: Dataset) -> str:
    """The name of the job that made the first sequence, and the last one's if it is another."""
    names = [str(dataset[number].attributes["job"]) for number in (0, -1) if len(dataset)]
    return " … ".join(dict.fromkeys(names)) or "Empty data set"


def heading(dataset: Dataset, shown: int) -> str:
    """The line under the title."""
    total = len(dataset)
    first = dataset[0]
    part = f"{shown} of " if shown < total else ""
    size = f"{first.width} × {first.height} pixels"
    return f"{part}{plural(total, 'sequence')}, {size}, {first.fps:g} frames per second"


def contact_sheet(dataset: Dataset, path: Path, *, rows: int = MAX_ROWS) -> None:
    """Write a PNG with one row per sequence: RGB at four frames, depth, normals, instances.

    Of more than `rows` sequences an even sample is shown.
    """
    chosen = spread(len(dataset), rows)
    pictures = [draw_row(dataset[index]) for index in chosen]
    width = max((picture.width for picture in pictures), default=480) + 2 * MARGIN
    height = HEADER_HEIGHT + sum(picture.height + 3 * GAP for picture in pictures) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    title = shortened(dataset_title(dataset), font(22, bold=True), width - 2 * MARGIN)
    draw.text((MARGIN, 40), title, fill=INK, font=font(22, bold=True), anchor="ls")
    line = heading(dataset, len(chosen)) if pictures else "no sequences"
    draw.text((MARGIN, 62), line, fill=FAINT, font=font(13), anchor="ls")
    top = HEADER_HEIGHT + GAP
    for picture in pictures:
        sheet.paste(picture, (MARGIN, top))
        top += picture.height + 3 * GAP
    with replacing(path) as scratch:
        sheet.save(scratch, format="PNG", optimize=True)
