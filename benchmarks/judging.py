"""Precision and recall of the judges of the asset bank on real, labelled meshes.

    python benchmarks/judging.py [--bank FOLDER] [--half tuning|report] [--write] [--made]

Without a bank it judges by the signals that were measured before and lie beside the labels.
`--bank` inspects the files of a bank afresh, with their speed (fetch them with `transphy3d assets
fetch --source sweethome3d`); `--write`, without a half, keeps what it measured as the new signals.
The thresholds were tuned on the half of the labels called tuning; the other half was looked at
afterwards.
`--made` judges the made materials of the tests instead: node graphs as authors build them, and
glTF files of every extension; they were written beside the inspector, by the same hand.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from transphy3d.assets.bank import Bank
from transphy3d.assets.inspecting import with_signals
from transphy3d.assets.judging import GRAPH, LEXICON
from transphy3d.assets.scoring import (
    Label,
    Signals,
    disagreements,
    fused_judge,
    read_labels,
    read_signals,
    score,
    single_judge,
)
from transphy3d.config import AcceptConfig
from transphy3d.errors import AssetError
from transphy3d.files import write_json
from transphy3d.jsonio import to_data
from transphy3d.library import builtin

LABELS = builtin("assets") / "labels" / "sweethome3d.yaml"
SIGNALS = builtin("assets") / "labels" / "sweethome3d_signals.json"


def measure(bank: Bank, labels: list[Label]) -> dict[str, Signals]:
    """Inspect every labelled asset in a process of its own; prints the speed."""
    found = {}
    began, spent = time.perf_counter(), processor_seconds()
    for label in labels:
        asset = bank.read(label.id)
        if asset.file is None or asset.file.sha256 != label.sha256:
            raise AssetError(f"asset {label.id}: its file is not the one that was labelled")
        found[label.id] = with_signals(bank, asset, again=True).signals
    wall, spent = time.perf_counter() - began, processor_seconds() - spent
    print(
        f"inspected {len(found)} assets in {wall:.1f} s ({len(found) / wall:.2f} a second), "
        f"{spent / len(found):.2f} processor seconds each; load {os.getloadavg()[0]:.1f}"
    )
    return found


def processor_seconds() -> float:
    """Of this process and those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def report(labels: list[Label], signals: dict[str, Signals]) -> None:
    """Print a table for every judge, and where the fused decision and the labels differ."""
    thresholds = AcceptConfig()
    graph, fused = single_judge(GRAPH, thresholds), fused_judge(thresholds)
    sure = [label for label in labels if not label.doubt]
    tables = {
        "graph alone": score(labels, signals, graph),
        "graph alone, against what renders show of the files' own materials": score(
            labels, signals, graph, lambda label: label.rendered
        ),
        "names alone": score(labels, signals, single_judge(LEXICON, thresholds)),
        "fused; ? is for review": score(labels, signals, fused),
        f"fused, on the {len(sure)} labels without doubt": score(sure, signals, fused),
    }
    for name, found in tables.items():
        print(f"\n{name}\n{found.table()}")
    print("\nwhere the fused decision and the label differ")
    for label, (answer, certain) in disagreements(labels, signals, fused):
        said = answer if certain else f"{answer}, for review"
        print(f"  {label.id}: is {label.label}, said {said}; {label.disagreement or '-'}")


def report_made() -> None:
    """Precision and recall of every look on the made materials of the tests."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "blender"))
    from looking import answers

    with tempfile.TemporaryDirectory() as folder:
        found = [(look, said) for _, look, said in answers(Path(folder))]
    given, there = Counter(said for _, said in found), Counter(look for look, _ in found)
    right = Counter(look for look, said in found if look == said)
    print(
        f"{len(found)} made materials, {right.total()} seen rightly\nlook         precision recall"
    )
    for look in there:
        precision = right[look] / given[look] if given[look] else 1.0
        print(f"{look:<12} {precision:9.2f} {right[look] / there[look]:6.2f}")


def main() -> None:
    """Parse the arguments, measure or read, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bank", type=Path)
    parser.add_argument("--half", choices=["tuning", "report"])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--made", action="store_true")
    options = parser.parse_args()
    if options.made:
        report_made()
        return
    labels = [label for label in read_labels(LABELS) if options.half in (None, label.half)]
    signals = measure(Bank(options.bank), labels) if options.bank else read_signals(SIGNALS)
    if options.write and not options.half:
        write_json(SIGNALS, {name: to_data_of(found) for name, found in signals.items()})
    print(f"{len(labels)} labelled assets")
    report(labels, signals)


def to_data_of(signals: Signals) -> dict[str, object]:
    """Plain data of one asset's signals."""
    return {name: to_data(signal) for name, signal in sorted(signals.items())}


if __name__ == "__main__":
    main()
