"""Files from the network arrive whole or not at all, within bounds."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
from blendkit_server import BLEND, Blendkit, Model, Trouble, serving

from transphy3d.assets.download import Bounds, download, suffix_of
from transphy3d.assets.web import Patience, Web, plain
from transphy3d.errors import AssetError, SourceError
from transphy3d.progress import make_progress

PICTURE = "/thumbnails/1/middle.png"


@pytest.fixture
def blendkit() -> Iterator[Blendkit]:
    with serving([Model(1, thumbnail=BLEND)]) as server:
        yield server


@pytest.fixture
def web() -> Web:
    return Web(make_progress("plain"), Patience(first=0.01, longest=0.02))


def test_a_file_arrives_as_it_is(blendkit: Blendkit, web: Web, tmp_path: Path) -> None:
    part = tmp_path / "deep" / "model.part"
    download(web, blendkit.files_url + PICTURE, part, Bounds(), len(BLEND))
    assert part.read_bytes() == BLEND
    assert list(part.parent.iterdir()) == [part]


def test_a_longer_leftover_without_a_version_is_overwritten(
    blendkit: Blendkit, web: Web, tmp_path: Path
) -> None:
    part = tmp_path / "model.part"
    part.write_bytes(b"x" * 2 * len(BLEND))
    download(web, blendkit.files_url + PICTURE, part, Bounds(), len(BLEND))
    assert part.read_bytes() == BLEND


def test_a_leftover_longer_than_the_file_is_begun_again(
    blendkit: Blendkit, web: Web, tmp_path: Path
) -> None:
    part = tmp_path / "model.part"
    part.write_bytes(b"x" * 2 * len(BLEND))
    part.with_suffix(".validator").write_text('"tag"')
    blendkit.troubles.append(Trouble(PICTURE, status=416))
    download(web, blendkit.files_url + PICTURE, part, Bounds(), len(BLEND))
    assert part.read_bytes() == BLEND


def test_a_part_that_nobody_asked_for_is_an_error(
    blendkit: Blendkit, web: Web, tmp_path: Path
) -> None:
    part = tmp_path / "model.part"
    part.write_bytes(b"x" * 10)
    part.with_suffix(".validator").write_text('"tag"')
    headers = {"Content-Range": "bytes 20-30/31", "ETag": '"tag"'}
    blendkit.troubles.append(Trouble(PICTURE, status=206, headers=headers, body=b"y" * 11))
    with pytest.raises(SourceError, match="sends another part"):
        download(web, blendkit.files_url + PICTURE, part, Bounds())


def test_a_line_that_breaks_often_but_brings_something_each_time_suffices(
    blendkit: Blendkit, web: Web, tmp_path: Path
) -> None:
    long = BLEND * 200
    blendkit.models.append(Model(2, files={"blend": long}))
    blendkit.valid.add("verify=1")
    blendkit.troubles.append(Trouble("/assets/", times=6, cut=130_000))
    part = tmp_path / "model.part"
    download(web, f"{blendkit.files_url}/assets/2/blend?verify=1", part, Bounds(), len(long))
    assert part.read_bytes() == long
    assert len(blendkit.asked) == 7


def test_a_file_that_announces_too_many_bytes_is_not_read(
    blendkit: Blendkit, web: Web, tmp_path: Path
) -> None:
    part = tmp_path / "model.part"
    with pytest.raises(SourceError, match="is larger than"):
        download(web, blendkit.files_url + PICTURE, part, Bounds(bytes=len(BLEND) - 1))
    assert part.stat().st_size == 0


def test_a_file_that_takes_too_long_is_given_up_for_now(
    blendkit: Blendkit, web: Web, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="takes longer than 0 s") as caught:
        download(web, blendkit.files_url + PICTURE, tmp_path / "model.part", Bounds(seconds=0.0))
    assert caught.value.passing


def test_two_processes_do_not_write_one_part(blendkit: Blendkit, web: Web, tmp_path: Path) -> None:
    part = tmp_path / "model.part"
    with part.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="another process is fetching it"):
            download(web, blendkit.files_url + PICTURE, part, Bounds())


def test_a_server_that_is_not_there_is_tried_again_and_then_named(tmp_path: Path) -> None:
    with serving([]) as blendkit:
        url = blendkit.files_url
    told = Web(make_progress("plain"), Patience(attempts=2, first=0.01))
    with pytest.raises(SourceError, match="no connection after 2 attempts") as caught:
        download(told, f"{url}{PICTURE}?verify=secret", tmp_path / "model.part", Bounds())
    assert "secret" not in str(caught.value)


def test_an_answer_is_read_up_to_its_limit_only(blendkit: Blendkit, web: Web) -> None:
    with pytest.raises(SourceError, match="longer than 100 bytes"):
        web.data(blendkit.files_url + PICTURE, limit=100)


@pytest.mark.parametrize("url", ["ftp://host/file", "http://[", "nonsense", "http://"])
def test_what_is_no_web_address_is_an_error(web: Web, url: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        download(web, url, tmp_path / "model.part", Bounds())


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"BLENDER-v279", ".blend"),
        (b"\x28\xb5\x2f\xfd zstd", ".blend"),
        (b"\x1f\x8b gzip", ".blend"),
        (b"PK\x03\x04 zip", ".zip"),
        (b"glTF\x02\0\0\0\x0c\0\0\0", ".glb"),
    ],
)
def test_files_are_known_by_their_first_bytes(head: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(head)
    assert suffix_of(path) == suffix


def test_a_page_in_place_of_a_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"<html>Please log in")
    with pytest.raises(AssetError, match=r"begins with b'<html>Please"):
        suffix_of(path)


def test_words_of_strangers_are_printable_and_short() -> None:
    assert plain("a\x1b[31m\n\n b\u202e\ud800c", 8) == "a [31m b"
