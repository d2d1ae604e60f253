"""What an evaluation found, as tables and as the file `scores.json`, which can be read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.groups import group_order
from transphy3d.dkt.evaluation.score import Part
from transphy3d.dkt.evaluation.tables import (
    COLUMNS,
    MAIN,
    Column,
    Row,
    escaped,
    latex_table,
    markdown_table,
)
from transphy3d.errors import ShardError
from transphy3d.files import write_json, write_text
from transphy3d.jsonio import from_json, record, to_data

SCORES_NAME = "scores.json"
# What holds in every protocol, for a caption.
CONVENTIONS = (
    "Figures are means over a frame's pixels (RMSE: their root), then over frames, then over "
    "videos; TAE counts points that the truth sees in both frames within 2 %"
)
NORMAL_CONVENTIONS = "Figures are over all pixels of a video, then means over videos"


@record
class GroupTable:
    """Rows by group of pixels; kind : what tells the groups apart."""

    kind: str
    name: str
    pixels: int
    rows: tuple[Row, ...]


@record
class Results:
    """Everything that an evaluation found.

    title : of the data; notes : on the data, and on what was left out
    methods : by a predictor's name, what tells models of that name apart
    parts : what each predictor scored on each recording, the worst recordings first
    distance_edges : metres, of the bins of the parts' errors over distance
    """

    task: Task
    title: str
    protocol: dict[str, Any]
    notes: tuple[str, ...]
    methods: dict[str, dict[str, Any]]
    rows: tuple[Row, ...]
    groups: tuple[GroupTable, ...]
    parts: tuple[Part, ...]
    distance_edges: tuple[float, ...]


def mean_row(name: str, found: Iterable[dict[str, float]]) -> Row:
    """The mean over recordings, each counting once where it has the figure."""
    values: dict[str, list[float]] = {}
    for figures in found:
        for key, value in figures.items():
            values.setdefault(key, []).append(value)
    return Row(name=name, figures={key: float(np.mean(each)) for key, each in values.items()})


def rows_of(parts: Sequence[Part]) -> tuple[Row, ...]:
    """A row of the table for each predictor, in the order of their first parts."""
    names = dict.fromkeys(part.predictor for part in parts)
    return tuple(
        mean_row(name, (part.figures for part in parts if part.predictor == name)) for name in names
    )


def group_tables(parts: Sequence[Part]) -> tuple[GroupTable, ...]:
    """Rows for each group of pixels, over the recordings that have any of it."""
    names = dict.fromkeys(part.predictor for part in parts)
    groups = dict.fromkeys((group.kind, group.name) for part in parts for group in part.groups)
    return tuple(_group_table(key, names, parts) for key in sorted(groups, key=group_order))


def _group_table(key: tuple[str, str], names: Iterable[str], parts: Sequence[Part]) -> GroupTable:
    kind, name = key
    inside = [
        (part.predictor, group)
        for part in parts
        for group in part.groups
        if (group.kind, group.name) == key
    ]
    first = inside[0][0]
    return GroupTable(
        kind=kind,
        name=name,
        pixels=sum(group.pixels for predictor, group in inside if predictor == first),
        rows=tuple(
            mean_row(each, (group.figures for predictor, group in inside if predictor == each))
            for each in names
        ),
    )


def worst_first(parts: Sequence[Part], task: Task) -> tuple[Part, ...]:
    """Parts by recording, from the largest error of the last predictor to the least."""
    last = parts[-1].predictor
    errors = {p.recording: p.figures[MAIN[task]] for p in parts if p.predictor == last}
    return tuple(sorted(parts, key=lambda part: -errors[part.recording]))


def caption(results: Results) -> list[str]:
    """The protocol, what is always so, and notes on the data."""
    knobs = ", ".join(f"{key} {value}" for key, value in results.protocol.items())
    fixed = CONVENTIONS if results.task == "depth" else NORMAL_CONVENTIONS
    return [f"Protocol: {knobs}", fixed, *results.notes]


def group_rows(
    tables: Sequence[GroupTable], column: Column
) -> tuple[tuple[Row, ...], tuple[Column, ...]]:
    """One figure of several groups as a table: a row for each predictor, a column a group."""
    rows = (
        mean_row(rows[0].name, ({t.name: r.figures[column.key]} for t, r in _beside(tables, rows)))
        for rows in zip(*(table.rows for table in tables), strict=True)
    )
    columns = (replace(column, key=t.name, head=t.name, latex=escaped(t.name)) for t in tables)
    return tuple(rows), tuple(columns)


def _beside(tables: Sequence[GroupTable], rows: Sequence[Row]) -> Iterable[tuple[GroupTable, Row]]:
    return zip(tables, rows, strict=True)


def kinds(tables: Iterable[GroupTable]) -> dict[str, list[GroupTable]]:
    """Groups by what tells them apart."""
    found: dict[str, list[GroupTable]] = {}
    for table in tables:
        found.setdefault(table.kind, []).append(table)
    return found


def group_columns(task: Task) -> tuple[Column, ...]:
    """The figures that are shown of groups: the main one, and the strictest share of the paper."""
    wanted = (MAIN[task], "delta_1.05" if task == "depth" else "under_11.25")
    return tuple(column for column in COLUMNS[task] if column.key in wanted)


def markdown(results: Results) -> str:
    """The table with its caption, and the main figures by groups of pixels."""
    text = "  \n".join(caption(results)) + "\n\n"
    text += markdown_table("method", results.rows, COLUMNS[results.task])
    for kind, tables in kinds(results.groups).items():
        for column in group_columns(results.task):
            rows, columns = group_rows(tables, column)
            text += "\n" + markdown_table(f"{column.head} by {kind}", rows, columns)
    return text


def latex(results: Results) -> str:
    """A tabular for a paper, with the caption as comments."""
    table = latex_table(results.rows, [("", COLUMNS[results.task])])
    return "".join(f"% {line}\n" for line in caption(results)) + table


def write_results(out: Path, results: Results) -> None:
    """scores.md, scores.tex and scores.json in a folder."""
    write_text(out / "scores.md", markdown(results))
    write_text(out / "scores.tex", latex(results))
    write_json(out / SCORES_NAME, to_data(results))


def read_results(path: Path) -> Results:
    """What `write_results` wrote: scores.json, or its folder. Raises ShardError."""
    file = path / SCORES_NAME if path.is_dir() else path
    try:
        return from_json(Results, file.read_bytes())
    except OSError as error:
        raise ShardError(
            f"{file}: cannot be read ({error}); hand in what `dkt eval` wrote"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ShardError(
            f"{file}: {place}: {first['msg']}; it is not of this version, measure again"
        ) from None
