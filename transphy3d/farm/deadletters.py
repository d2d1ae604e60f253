"""Units that were given up: why, and how to try them again."""

from __future__ import annotations

from pathlib import Path

from transphy3d.farm.attempts import Dead
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.farm.survey import dead_units
from transphy3d.jsonio import to_json


def dead_letters(root: Path) -> list[Dead]:
    """Every unit of a run that is set aside. Raises RunError where there is no run."""
    read_plan(root)
    return list(dead_units(RunDir(root)).values())


def as_lines(letters: list[Dead]) -> str:
    """One JSON object a line."""
    return "\n".join(to_json(letter) for letter in letters)


def describe(letters: list[Dead]) -> str:
    """A few lines for each, the command that replays it last."""
    if not letters:
        return "no unit is set aside"
    return "\n\n".join(
        f"{letter.unit:06d}  {letter.outcome}, at try {letter.attempt}\n"
        f"  {letter.reason}\n  {letter.replay}"
        for letter in letters
    )
