"""Whoever made a bank's asset is named wherever its pictures go, and nobody is forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from transphy3d import open_dataset
from transphy3d.preview.report import write_report
from transphy3d.shards.credits import credit
from transphy3d.shards.index import read_index
from transphy3d.shards.pack import pack
from transphy3d.shards.schema import Attribution
from transphy3d.shards.verify import info, verify

OWED = Attribution(
    asset="cup-1",
    name="Cup",
    author="Ada Maker",
    licence="cc_by",
    version="4.0",
    attribution='"Cup" by Ada Maker <ada>, CC BY 4.0',
    licence_url="https://creativecommons.org/licenses/by/4.0/",
    url="javascript:alert(1)",
    sha256="1" * 64,
)


def sequence(folder: Path, index: int, owed: tuple[Attribution, ...]) -> Path:
    """A sequence file whose first object comes from a bank."""
    record = synthetic.meta(2, (24, 32), index)
    first = replace(record.objects[0], asset="cup-1", source="bank")
    record = replace(record, objects=(first, *record.objects[1:]), attributions=owed)
    frames = synthetic.render(record)
    return synthetic.write(folder / f"{index:06d}.h5", record, frames)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for index in range(3):
        sequence(tmp_path / "run", index, (OWED,))
    return tmp_path / "run"


def test_a_sequence_gives_its_attributions_back(run: Path) -> None:
    (first, *_) = open_dataset(run)
    assert first.attributions == (OWED,)
    assert first.meta.attributions == (OWED,)
    assert verify(run) == []


def test_packing_keeps_them_and_the_index_names_each_once(run: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "packed", name="cups", per_shard=2)
    assert read_index(tmp_path / "packed").attributions == (OWED,)
    assert all(found.attributions == (OWED,) for found in open_dataset(tmp_path / "packed"))
    assert verify(tmp_path / "packed") == []


def test_info_and_report_show_the_line_that_the_licence_asks_for(run: Path) -> None:
    assert info(run)["attributions"] == [OWED.attribution]
    page = write_report(open_dataset(run), run).read_text()
    assert "by Ada Maker &lt;ada&gt;, CC BY 4.0" in page
    assert 'href="javascript' not in page


def test_an_asset_without_attribution_is_found(tmp_path: Path) -> None:
    sequence(tmp_path, 0, ())
    (problem,) = verify(tmp_path)
    assert problem.check == "attributions"
    assert "'cup-1'" in problem.message


def test_sequences_without_a_bank_have_no_such_table(tmp_path: Path) -> None:
    (found,) = open_dataset(synthetic.make(tmp_path / "a.h5", 2, (24, 32)))
    assert found.attributions == ()
    assert not found.fetch(lambda group: "attributions" in group)


def test_without_a_line_the_author_and_the_address_are_named() -> None:
    plain = replace(OWED, attribution="", licence="royalty_free", version="", url="https://a.b/c")
    assert credit(plain) == "Cup by Ada Maker (royalty_free) https://a.b/c"
