"""Several evaluations in one table: columns for each data set, a row for each method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transphy3d.dkt.choice import one_of
from transphy3d.dkt.evaluation.results import Results, caption, read_results
from transphy3d.dkt.evaluation.tables import COLUMNS, Column, Row, latex_table, markdown_table
from transphy3d.errors import JobError
from transphy3d.wording import suggest

LAYOUTS = ("markdown", "latex")


@dataclass(frozen=True)
class Difference:
    """Something in which an evaluation differs from the first; found : by title of the data."""

    what: str
    found: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.what} is " + ", but ".join(f"{v} in {t}" for t, v in self.found.items())


def join(sources: Sequence[str], figures: str | None, layout: str, *, mixed: bool) -> str:
    """The table of several scores.json, each [TITLE=]PATH.

    figures : keys of columns with commas, None takes all
    mixed : allow protocols, and models of one name, that differ
    Raises JobError naming what differs, ShardError for a file that cannot be read.
    """
    one_of("layout", layout, LAYOUTS)
    parts = [_source(text) for text in sources]
    _check(parts, mixed)
    columns = _columns(figures, parts[0])
    beside = [(part.title, [_of_part(part, each) for each in columns]) for part in parts]
    rows = joined_rows(parts)
    lines = captions(parts)
    if layout == "latex":
        return "".join(f"% {line}\n" for line in lines) + latex_table(rows, beside)
    flat = [replace(c, head=f"{title}: {c.head}") for title, own in beside for c in own]
    return "  \n".join(lines) + "\n\n" + markdown_table("method", rows, flat)


def _source(text: str) -> Results:
    title, found, path = text.partition("=")
    read = read_results(Path(path if found else text).expanduser())
    return replace(read, title=title) if found else read


def _check(parts: Sequence[Results], mixed: bool) -> None:
    titles = [part.title for part in parts]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise JobError(f"{twice[0]}: is the title of two evaluations; name them TITLE=SCORES")
    if tasks := [part for part in parts if part.task != parts[0].task]:
        both = Difference("task", {p.title: p.task for p in (parts[0], tasks[0])})
        raise JobError(f"{both}; one table is of one task")
    if not mixed and (found := next(differences(parts), None)):
        raise JobError(f"{found}; measure again with one of them, or join them by --mixed")


def differences(parts: Sequence[Results]) -> Iterator[Difference]:
    """In which knobs of the protocol, and models of the same name, evaluations differ."""
    first = parts[0]
    for part in parts[1:]:
        for knob in first.protocol | part.protocol:
            values = {p.title: p.protocol.get(knob) for p in (first, part)}
            if values[first.title] != values[part.title]:
                yield Difference(knob, values)
        for method in first.methods.keys() & part.methods.keys():
            for key, value in first.methods[method].items():
                if value != part.methods[method].get(key):
                    other = part.methods[method].get(key)
                    yield Difference(f"{method}: {key}", {first.title: value, part.title: other})


def _columns(figures: str | None, part: Results) -> list[Column]:
    known = {column.key: column for column in COLUMNS[part.task]}
    if figures is None:
        return list(known.values())
    for key in figures.split(","):
        if key not in known:
            raise JobError(f"--figures {key!r}: is not known; {suggest(key, known)}")
    return [known[key] for key in figures.split(",")]


def _of_part(part: Results, column: Column) -> Column:
    return replace(column, key=f"{part.title}/{column.key}")


def joined_rows(parts: Sequence[Results]) -> list[Row]:
    """A row for each method of any part, its figures under the parts' titles."""
    names = dict.fromkeys(row.name for part in parts for row in part.rows)
    return [
        Row(
            name=name,
            figures={
                f"{part.title}/{key}": value
                for part in parts
                for row in part.rows
                if row.name == name
                for key, value in row.figures.items()
            },
        )
        for name in names
    ]


def captions(parts: Sequence[Results]) -> list[str]:
    """What all parts share once, then what is of one alone, under its title."""
    shared, *_ = lines = [caption(part) for part in parts]
    common = [line for line in shared if all(line in each for each in lines)]
    own = [
        f"{part.title}: {line}"
        for part, each in zip(parts, lines, strict=True)
        for line in each
        if line not in common
    ]
    return [*common, *own]
