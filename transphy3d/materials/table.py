"""The records as Markdown tables: `python -m transphy3d.materials.table` writes docs/materials.md.

The page's own text stays; the tables between the two markers are made anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from transphy3d.files import write_text
from transphy3d.materials.library import Library, load_library
from transphy3d.materials.records import (
    CoatedRecord,
    ConductorRecord,
    DielectricRecord,
    PrincipledRecord,
    Record,
)

BEGIN = "<!-- records: made by python -m transphy3d.materials.table -->"
END = "<!-- end of records -->"
KINDS = ("glass", "plastic", "metal", "ceramic", "liquid", "surface")
HEADER = (
    "| name | class | optics | roughness | kg/m³ | friction | source | judged |\n"
    + "|---" * 8
    + "|"
)


def updated(page: str, library: Library) -> str:
    """`page` with the tables between its markers made anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{tables(library)}\n{END}{after}"


def tables(library: Library) -> str:
    """One Markdown table a kind."""
    return "\n".join(_table(library, kind) for kind in KINDS)


def _table(library: Library, kind: str) -> str:
    rows = [_row(record) for record in library.records if record.kind == kind]
    return f"### {kind}: {len(rows)}\n\n{HEADER}\n" + "\n".join(rows) + "\n"


def _row(record: Record) -> str:
    cells = (
        f"`{record.name}`",
        record.optical_class,
        _optics(record),
        _span(record.roughness),
        _span(record.density),
        _span(record.friction),
        record.source,
        ", ".join(record.judged) or "nothing",
    )
    return "| " + " | ".join(cells) + " |"


def _optics(record: Record) -> str:
    if isinstance(record, DielectricRecord):
        return _dielectric(record)
    if isinstance(record, ConductorRecord):
        return f"n {_triple(record.conductor_ior)}, k {_triple(record.conductor_extinction)}"
    if isinstance(record, CoatedRecord):
        return f"coat n {_span(record.coat_ior)} over {_body(record)}"
    if isinstance(record, PrincipledRecord):
        return f"n {_span(record.ior)}, {_body(record)}"
    raise TypeError(type(record).__name__)


def _dielectric(record: DielectricRecord) -> str:
    parts = [f"n {_span(record.ior)}, V {record.abbe:g}"]
    if record.dispersive:
        parts.append("dispersive")
    if len(record.absorption) > 1:
        parts.append(f"{len(record.absorption)} tints")
    elif any(record.absorption[0]):
        parts.append(f"absorbs {_triple(record.absorption[0])} /m")
    if any(record.scattering[0]):
        parts.append(f"scatters {_triple(record.scattering[0])} /m")
    return ", ".join(parts)


def _body(record: CoatedRecord | PrincipledRecord) -> str:
    if record.texture is not None:
        return f"{record.texture.kind}, {_count(record.texture.palettes, 'palette')}"
    return _count(record.base_color, "colour")


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}" + ("s" if len(items) > 1 else "")


def _span(span: tuple[float, float]) -> str:
    low, high = span
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _triple(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def main(argv: Sequence[str]) -> None:
    """Renew the tables of the page named, or of docs/materials.md."""
    path = Path(argv[0] if argv else "docs/materials.md")
    write_text(path, updated(path.read_text(encoding="utf-8"), load_library()))


if __name__ == "__main__":
    main(sys.argv[1:])
