from __future__ import annotations

import os

import pytest

from transphy3d.errors import ShardError
from transphy3d.preview import make_previews


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def touch_later(path, than):
    later = max(stamps(than).values()) + 1_000_000_000
    os.utime(path, ns=(later, later))


def test_a_second_call_makes_nothing_again_and_force_makes_all(data_folder, tmp_path):
    paths = make_previews(data_folder, tmp_path, videos=1)
    before = stamps(tmp_path)
    assert set(before) == {paths.contact_sheet, paths.report, *paths.videos}
    assert make_previews(data_folder, tmp_path, videos=1) == paths
    assert stamps(tmp_path) == before
    make_previews(data_folder, tmp_path, videos=1, force=True)
    assert all(made != before[path] for path, made in stamps(tmp_path).items())


def test_only_the_video_of_a_changed_file_is_made_again(data_folder, tmp_path):
    paths = make_previews(data_folder, tmp_path)
    before = stamps(tmp_path)
    assert len(paths.videos) == 3
    touch_later(data_folder / "000001.h5", tmp_path)
    make_previews(data_folder, tmp_path)
    changed = {path for path, made in stamps(tmp_path).items() if made != before[path]}
    assert changed == {paths.videos[1], paths.contact_sheet, paths.report}


def test_no_videos_if_none_are_wanted(data_folder, tmp_path):
    paths = make_previews(data_folder, tmp_path, videos=0)
    assert paths.videos == ()
    assert "none" in paths.describe()


def test_nothing_to_show_is_an_error_that_names_the_folder(tmp_path):
    with pytest.raises(ShardError, match=tmp_path.name):
        make_previews(tmp_path, tmp_path / "out")
