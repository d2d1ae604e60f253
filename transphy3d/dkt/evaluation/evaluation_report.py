"""One HTML page that says how well predictors did, where they fail, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import transphy3d
from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.error_curves import Chart, over_distance, over_time
from transphy3d.dkt.evaluation.error_pictures import tick
from transphy3d.dkt.evaluation.evaluate import PICTURES
from transphy3d.dkt.evaluation.results import GroupTable, Results, caption, kinds
from transphy3d.dkt.evaluation.tables import COLUMNS, MAIN, UNKNOWN, Column, Row, cells
from transphy3d.files import write_text
from transphy3d.preview.charts import Bar, BarChart
from transphy3d.templates import open_templates
from transphy3d.wording import plural

REPORT_NAME = "report.html"
MAX_LISTED = 100
# What a chart of errors is drawn in.
CHART_UNITS: dict[Task, tuple[str, float]] = {"depth": (" %", 100.0), "normal": ("°", 1.0)}


@dataclass(frozen=True)
class Shot:
    """One frame that was painted; rows : (predictor, address of its picture)."""

    title: str
    rows: tuple[tuple[str, str], ...]


def write_report(out: Path, results: Results) -> Path:
    """Write report.html into the folder that holds the pictures, and return its path."""
    environment = open_templates("transphy3d.dkt", "transphy3d.preview")
    path = out / REPORT_NAME
    write_text(path, environment.get_template("evaluation.html.j2").render(page(results)))
    return path


def page(results: Results) -> dict[str, Any]:
    """Everything that the template shows."""
    columns = COLUMNS[results.task]
    main = main_column(results.task)
    return {
        "title": results.title,
        "task": results.task,
        "caption": caption(results),
        "heads": [column.head for column in columns],
        "table": table(results.rows, columns),
        "groups": [
            {"kind": kind, "charts": [group_chart(t, main) for t in tables]}
            for kind, tables in kinds(results.groups).items()
        ],
        "groups_note": f"{main.head} over the pixels of each kind alone"
        + ", under the same alignment as the table" * (results.task == "depth"),
        "charts": charts(results),
        "colours": {row.name: number for number, row in enumerate(results.rows)},
        "predictors": [row.name for row in results.rows],
        "recordings": listed(results),
        "recordings_note": listed_note(results),
        "shots": shots(results),
        "scale": f"{tick(0, results.task)} (dark) to {tick(1, results.task)} (bright)",
        "version": transphy3d.__version__,
    }


def main_column(task: Task) -> Column:
    """The column that recordings are ordered by."""
    return next(column for column in COLUMNS[task] if column.key == MAIN[task])


def table(rows: Sequence[Row], columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Each row's name, and its texts with whether they are the best of their column."""
    found = [cells(rows, column) for column in columns]
    return [
        {"name": row.name, "cells": [column[number] for column in found]}
        for number, row in enumerate(rows)
    ]


def group_chart(table: GroupTable, column: Column) -> BarChart:
    """A bar for each predictor's error on a group of pixels."""
    known = [(row, row.figures[column.key]) for row in table.rows if column.key in row.figures]
    longest = max((value for _, value in known), default=1.0) or 1.0
    bars = tuple(Bar(row.name, column.text(row), value / longest) for row, value in known)
    return BarChart(table.name, bars, f"{table.pixels:,} pixels")


def charts(results: Results) -> list[Chart]:
    """Errors over time and distance, where the data tell them apart."""
    unit, factor = CHART_UNITS[results.task]
    found = (
        over_time(results.parts, unit, factor),
        over_distance(results.parts, results.distance_edges, unit, factor),
    )
    return [chart for chart in found if chart]


def listed(results: Results) -> list[dict[str, Any]]:
    """The worst recordings, each with the main figure of every predictor."""
    column = main_column(results.task)
    names = [row.name for row in results.rows]
    found: dict[str, dict[str, Any]] = {}
    for part in results.parts:
        line = found.setdefault(
            part.recording, {"name": part.recording, "frames": part.frames, "by": {}}
        )
        line["by"][part.predictor] = column.text(Row(name=part.predictor, figures=part.figures))
    return [
        line | {"cells": [line["by"].get(name, UNKNOWN) for name in names]}
        for line in list(found.values())[:MAX_LISTED]
    ]


def listed_note(results: Results) -> str:
    """What the list is ordered by, and what it leaves out."""
    count = len({part.recording for part in results.parts})
    order = f"{main_column(results.task).head}, worst first for {results.rows[-1].name}"
    if count <= MAX_LISTED:
        return order
    return f"{order}; {MAX_LISTED} of {plural(count, 'recording')}, all are in scores.json"


def shots(results: Results) -> list[Shot]:
    """The painted frames, in the order of the parts, with a picture of every predictor."""
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for part in results.parts:
        for frame, name in part.pictures.items():
            address = f"{PICTURES}/{quote(name)}"
            found.setdefault((part.recording, frame), []).append((part.predictor, address))
    return [
        Shot(f"{recording}, frame {frame}", tuple(rows))
        for (recording, frame), rows in found.items()
    ]
