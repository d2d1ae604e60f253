"""Which units an agent begins before its allocation ends, by the pace of published ones."""

import io

import pytest
from run_records import FRAMES, plan, publish

from transphy3d.farm.agent import LAST_SECONDS, _fits, _make_agent
from transphy3d.progress import make_progress

NEEDED = 1000.0  # seconds of a published sequence, so of an open one without frames


@pytest.fixture
def agent_with(tmp_path):
    run = plan(tmp_path)
    publish(run, 0, seconds=NEEDED)

    def make(seconds, spent=0.0):
        agent = _make_agent(tmp_path, make_progress("plain", io.StringIO()), (0, 1), seconds)
        if agent.deadline is not None:
            agent.deadline -= spent
        return agent

    return make


def render(agent, unit, frames):
    for phase in ("truth", "behind", "rgb"):
        folder = agent.run.stage(unit) / "frames" / phase
        folder.mkdir(parents=True)
        for frame in range(frames):
            (folder / f"{frame:04d}.png").touch()


def test_a_unit_that_the_rest_of_the_time_is_too_short_for_is_not_begun(agent_with):
    assert _fits(agent_with(2 * NEEDED), 1)
    assert not _fits(agent_with(2 * NEEDED, spent=1.5 * NEEDED), 1)


def test_frames_that_are_there_already_need_no_time(agent_with):
    agent = agent_with(2 * NEEDED, spent=1.5 * NEEDED)
    render(agent, 1, FRAMES * 3 // 4)
    assert _fits(agent, 1)


def test_a_unit_longer_than_any_allocation_is_made_in_several(agent_with):
    assert _fits(agent_with(NEEDED / 2), 1)
    assert _fits(agent_with(NEEDED / 2, spent=NEEDED / 4), 1)
    assert not _fits(agent_with(NEEDED + 2 * LAST_SECONDS, spent=2 * LAST_SECONDS), 1)


def test_without_a_limit_everything_is_begun(agent_with):
    assert _fits(agent_with(None), 1)
