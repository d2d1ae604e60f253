"""How long a Blender that is asked to stop has for the frame at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_stage as tiny
from blender_faults import blender_faults

from transphy3d.errors import Interrupted
from transphy3d.farm import blender_process
from transphy3d.farm.blender_process import count_frames, run_blender, stop_environment
from transphy3d.scenes.stage import Phase


def test_the_frame_at_hand_has_what_the_notice_of_an_engine_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = tiny.write(tiny.STAGE, tmp_path / "stage")
    faults = blender_faults(tmp_path / "faults", hold_if="made >= 2")
    for name, value in {**faults.environment, **stop_environment(150)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(blender_process, "STOP_SECONDS", 0.0)

    def watch(counts: dict[Phase, int]) -> None:
        if faults.has_held(stage):
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        run_blender(stage, tmp_path / "log.txt", 300, watch)
    assert sum(count_frames(stage).values()) == 3


@pytest.mark.parametrize(("notice", "seconds"), [(300, "270"), (30, "20")])
def test_of_a_notice_a_rest_is_left_to_write_down_how_it_ended(notice: int, seconds: str) -> None:
    assert stop_environment(notice) == {"TRANSPHY3D_STOP_SECONDS": seconds}
