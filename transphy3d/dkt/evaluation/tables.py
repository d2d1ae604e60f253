"""Tables of figures as Markdown and LaTeX, with the best of each column in bold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from transphy3d.dkt.config import Task
from transphy3d.dkt.evaluation.metrics import DELTAS
from transphy3d.dkt.evaluation.normal_metrics import SHARES
from transphy3d.jsonio import record

UNKNOWN = "-"


@record
class Row:
    """One line of a table; a figure that its data cannot give is absent."""

    name: str
    figures: dict[str, float]


@dataclass(frozen=True)
class Column:
    """A figure of a table: its key, heads, decimals, and what it is multiplied by.

    best : whether the least or the greatest is best
    """

    key: str
    head: str
    latex: str
    decimals: int
    factor: float = 1
    best: str = "least"

    def text(self, row: Row) -> str:
        """The figure as it is printed."""
        value = row.figures.get(self.key)
        return UNKNOWN if value is None else f"{self.factor * value:.{self.decimals}f}"


def _share(key: str, head: str, latex: str) -> Column:
    return Column(key, head, latex, 2, 100, "greatest")


COLUMNS: dict[Task, tuple[Column, ...]] = {
    "depth": (
        Column("rel", "REL", "REL", 4),
        Column("rmse", "RMSE", "RMSE", 4),
        Column("mae", "MAE", "MAE", 4),
        *(_share(f"delta_{d:.2f}", f"δ{d:.2f}", rf"$\delta_{{{d:.2f}}}$") for d in DELTAS),
        Column("tae", "TAE %", "TAE", 2),
        Column("drift", "drift %", "drift", 2),
    ),
    "normal": (
        Column("mean", "mean °", "mean", 2),
        Column("median", "median °", "median", 2),
        Column("rmse", "RMSE °", "RMSE", 2),
        *(_share(f"under_{d:g}", f"<{d:g}°", rf"${d:g}^\circ$") for d in SHARES),
    ),
}
# What recordings and pixels are ordered and drawn by.
MAIN: dict[Task, str] = {"depth": "rel", "normal": "mean"}


def cells(rows: Sequence[Row], column: Column) -> list[tuple[str, bool]]:
    """A column's text from top to bottom, and whether it is the best one of several."""
    texts = [column.text(row) for row in rows]
    known = [float(text) for text in texts if text != UNKNOWN]
    pick = min if column.best == "least" else max
    best = pick(known) if len(known) > 1 else None
    return [(text, text != UNKNOWN and float(text) == best) for text in texts]


def markdown_table(first: str, rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """A table with a row for each, under the heads of columns; `first` heads the names."""
    found = [cells(rows, column) for column in columns]
    lines = [[first, *(column.head for column in columns)], ["---"] * (len(columns) + 1)]
    for number, row in enumerate(rows):
        texts = [f"**{text}**" if best else text for text, best in (c[number] for c in found)]
        lines.append([row.name, *texts])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def latex_table(rows: Sequence[Row], parts: Sequence[tuple[str, Sequence[Column]]]) -> str:
    """A tabular of package booktabs, with columns side by side under the names of their parts.

    A single part without a name has none above its columns.
    """
    columns = [column for _, part in parts for column in part]
    found = [cells(rows, column) for column in columns]
    lines = [*_part_heads(parts), _line(["Method", *(column.latex for column in columns)])]
    lines.append("\\midrule")
    for number, row in enumerate(rows):
        texts = [rf"\textbf{{{t}}}" if best else t for t, best in (c[number] for c in found)]
        lines.append(_line([escaped(row.name), *texts]))
    body = "\n".join(lines)
    spec = "l" + "r" * len(columns)
    return f"\\begin{{tabular}}{{{spec}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def _part_heads(parts: Sequence[tuple[str, Sequence[Column]]]) -> list[str]:
    if not any(name for name, _ in parts):
        return []
    names = [rf"\multicolumn{{{len(part)}}}{{c}}{{{escaped(name)}}}" for name, part in parts]
    rules, start = [], 2
    for _, part in parts:
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(part) - 1}}}")
        start += len(part)
    return [_line(["", *names]), "".join(rules)]


def _line(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def escaped(text: str) -> str:
    """Plain text for LaTeX."""
    return re.sub(r"([&%$#_{}])", r"\\\1", text.replace("\\", "/"))
