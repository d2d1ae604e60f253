"""BlenderKit models come into a bank through a server that is as fallible as the real one."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import time
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from blendkit_server import BLEND, KEY, PNG, Blendkit, Model, Trouble, identity, serving
from command_line import command, run_cli
from hypothesis import given, settings
from hypothesis import strategies as st

from transphy3d.assets.archives import model_path
from transphy3d.assets.bank import AssetRecord, Bank, Signal, Verdict
from transphy3d.assets.download import Bounds
from transphy3d.assets.gather import Tally, work_through
from transphy3d.assets.sources import blenderkit_bank, dispatch
from transphy3d.assets.sources.blenderkit import Query, Server, scene_of
from transphy3d.assets.sources.blenderkit_records import choose_file, record_of
from transphy3d.assets.sources.dispatch import Places
from transphy3d.assets.web import Patience, Web
from transphy3d.errors import SourceClosed, SourceError
from transphy3d.jsonio import from_json, to_data

TODAY = date(2026, 6, 1)
ONE = f"blenderkit-{identity(1)}"
QUICK = Patience(first=0.01, longest=0.02)
# More than what is read at a time, so that a part arrives when it breaks off.
LONG = BLEND * 60
GLB = b"glTF" + (2).to_bytes(4, "little") + (20).to_bytes(4, "little") + b"12345678"


class Told:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, kind: str, **facts: Any) -> None:
        self.events.append((kind, facts))

    def frames(self, done: int, total: int) -> None:
        pass

    def close(self) -> None:
        pass


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def client(blendkit: Blendkit, key: str = KEY, told: Told | None = None) -> Server:
    web = Web(told or Told(), QUICK)
    return Server(web, blendkit.url, key, scene_of("a bank"))


def search(bank: Bank, server: Server, again: bool = False) -> Tally:
    told = server.web.progress
    return blenderkit_bank.add_records(bank, server, [Query()], TODAY, None, again, told)


def fetch(bank: Bank, server: Server, resolution: str = "2K") -> Tally:
    assets = [asset for asset in bank.records() if not asset.file and not asset.refused]

    def step(asset: AssetRecord) -> AssetRecord:
        return blenderkit_bank.fetch(bank, server, asset, resolution, Bounds())

    return work_through(bank, assets, step, server.web.progress)


def found_and_fetched(bank: Bank, blendkit: Blendkit, resolution: str = "2K") -> AssetRecord:
    """The record of model 1 after both acts."""
    server = client(blendkit)
    search(bank, server)
    fetch(bank, server, resolution)
    return bank.read(f"blenderkit-{identity(1)}")


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return Bank(tmp_path / "bank")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSPHY3D_BLENDERKIT_KEY", KEY)


# The command line, end to end


@pytest.mark.usefixtures("account")
def test_models_are_found_fetched_listed_and_checked_by_commands(bank: Bank) -> None:
    models = [Model(1), Model(2, name="Steel kettle", tags=("kettle",), license="cc_zero")]
    with serving(models) as blendkit:
        place = ("--bank", bank.root, "--server", blendkit.url, "--progress", "plain")
        said = run_cli("assets", "search", *place)
        assert said.returncode == 0, said.stderr
        assert said.stdout.split() == ["new", "2"]
        said = run_cli("assets", "fetch", *place)
        assert said.returncode == 0, said.stderr
        assert said.stdout.split() == ["fetched", "2"]
    listed = run_cli("assets", "list", "--bank", bank.root, "--licence", "cc_zero", "--json")
    (asset,) = json.loads(listed.stdout)
    assert (asset["name"], asset["licence"]["author"]) == ("Steel kettle", "Ada Maker")
    assert model_path(bank, bank.read(asset["id"])).read_bytes() == BLEND
    checked = run_cli("assets", "check", "--bank", bank.root)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.usefixtures("account")
def test_the_key_reaches_the_server_alone_and_is_written_nowhere(bank: Bank) -> None:
    with serving([Model(1, free=False)]) as blendkit:
        place = ("--bank", bank.root, "--server", blendkit.url)
        said = [run_cli("assets", act, *place) for act in ("search", "fetch")]
        hosts = {(one.host, "Authorization" in one.headers) for one in blendkit.asked}
    assert hosts == {("api", True), ("files", False)}
    written = [path.read_bytes() for path in bank.root.rglob("*") if path.is_file()]
    assert len(written) == 4
    assert not any(KEY.encode() in content for content in written)
    assert not any(KEY in run.stdout + run.stderr for run in said)


@pytest.mark.usefixtures("account")
def test_a_used_up_plan_ends_the_run_and_the_next_one_goes_on(bank: Bank) -> None:
    with serving([Model(number) for number in (1, 2, 3)], downloads_left=2) as blendkit:
        place = ("--bank", bank.root, "--server", blendkit.url)
        run_cli("assets", "search", *place)
        ended = run_cli("assets", "fetch", *place)
        assert ended.returncode == 3
        assert "Limit of models exceeded" in ended.stderr
        assert "run the same command again" in ended.stderr
        assert ended.stdout.split() == ["fetched", "2"]
        blendkit.downloads_left = None
        assert run_cli("assets", "fetch", *place).stdout.split() == ["fetched", "1"]
    assert all(asset.file and not asset.refused for asset in bank.records())


def test_models_can_be_judged_by_their_pictures_before_their_files_are_fetched(
    bank: Bank,
) -> None:
    with serving([Model(1), Model(2)]) as blendkit:
        place = ("--bank", bank.root, "--server", blendkit.url)
        run_cli("assets", "search", *place)
        said = run_cli("assets", "fetch", "--thumbnails", *place)
        assert said.stdout.split() == ["pictured", "2"], said.stderr
        assert not any("/downloads/" in path for path in blendkit.paths())
        first = bank.read(f"blenderkit-{identity(1)}")
        assert bank.file(first.thumbnail).read_bytes() == PNG
        verdict = Verdict(ruling="accepted", optical="transparent", score=1.0, reasons=())
        bank.write(replace(first, verdict=verdict))
        said = run_cli("assets", "fetch", "--judged", "accepted", *place)
        assert said.stdout.split() == ["fetched", "1"], said.stderr
    fetched = bank.read(first.id)
    assert fetched.file
    assert fetched.verdict == verdict


def test_a_wrong_key_is_named_and_nothing_is_marked(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSPHY3D_BLENDERKIT_KEY", "wrong")
    with serving([Model(1)]) as blendkit:
        said = run_cli("assets", "search", "--bank", bank.root, "--server", blendkit.url)
    assert said.returncode == 3
    assert "TRANSPHY3D_BLENDERKIT_KEY is not accepted" in said.stderr
    assert "wrong" not in said.stderr.replace("wrong job", "")
    assert bank.ids() == []


def test_an_address_without_a_server_is_an_error_that_names_it(bank: Bank) -> None:
    said = run_cli("assets", "search", "--bank", bank.root, "--server", "blendkit")
    assert said.returncode == 3
    assert "'blendkit': is no address; set TRANSPHY3D_BLENDERKIT_URL" in said.stderr


# Searching


def test_pages_are_followed_to_the_last_even_where_that_one_names_another() -> None:
    models = [Model(number) for number in range(250)]
    with serving(models, always_next=True) as blendkit:
        found = list(client(blendkit).search(Query(), TODAY, None))
        assert len(blendkit.asked) == 4
    assert len({asset["assetBaseId"] for asset in found}) == len(found) == 250


def test_a_server_whose_pages_never_end_is_left() -> None:
    with serving([Model(number) for number in range(100)]) as blendkit:
        page = {"count": 100, "results": [], "next": f"{blendkit.url}/api/v1/search/?page=2"}
        body = json.dumps(page | {"results": [{"assetBaseId": identity(1)}] * 100}).encode()
        blendkit.troubles.append(Trouble("/search/", times=1000, status=200, body=body))
        assert len(list(client(blendkit).search(Query(), TODAY, None))) == 1
        assert len(blendkit.asked) == 100


def test_a_search_that_matches_too_much_is_cut_by_days_and_misses_nothing() -> None:
    models = [
        Model(number, created=f"20{16 + number % 10}-{1 + number % 12:02}-01T00:00:00Z", files={})
        for number in range(10_050)
    ]
    with serving(models) as blendkit:
        found = [asset["assetBaseId"] for asset in client(blendkit).search(Query(), TODAY, None)]
    assert len(set(found)) == len(found) == 10_050


def test_a_day_with_more_models_than_a_search_shows_is_told() -> None:
    told = Told()
    with serving([Model(number, files={}) for number in range(10_001)]) as blendkit:
        query = Query(since=date(2024, 3, 1), before=date(2024, 3, 2))
        assert len(list(client(blendkit, told=told).search(query, TODAY, None))) == 10_000
    assert told.events == [("left out", {"day": "2024-03-01", "more_than": 10_000})]


def test_a_server_that_does_not_cut_by_days_is_found_out() -> None:
    models = [Model(number, files={}) for number in range(10_001)]
    with serving(models, cuts_by_days=False) as blendkit:
        results = client(blendkit).search(Query(), TODAY, None)
        with pytest.raises(SourceError, match="narrow the search by --category"):
            list(results)
        assert len(list(client(blendkit).search(Query(), TODAY, 150))) == 150


def test_words_category_licence_and_price_are_asked_of_the_server() -> None:
    models = [
        Model(1),
        Model(2, license="cc_zero"),
        Model(3, license="cc_zero", category="sofa", parents=("interior",)),
        Model(4, license="cc_zero", free=False),
        Model(5, license="cc_zero", name="Büchse & Glas", tags=()),
    ]
    cases = {
        Query(): {1, 2, 3, 4, 5},
        Query(licence="cc_zero", category="kitchen", free=True): {2, 5},
        Query(words="table wine", licence="cc_zero"): {2, 3, 4},
        Query(words="büchse &"): {5},
    }
    with serving(models) as blendkit:
        for query, numbers in cases.items():
            found = client(blendkit).search(query, TODAY, None)
            assert {asset["assetBaseId"] for asset in found} == {identity(n) for n in numbers}


def test_a_page_said_to_be_elsewhere_is_asked_of_the_same_server() -> None:
    with serving([Model(number) for number in range(120)]) as blendkit, serving([]) as other:
        blendkit.next_host = other.url
        assert len(list(client(blendkit).search(Query(), TODAY, None))) == 120
        assert other.asked == []


def test_moving_and_dull_models_are_set_aside_with_the_reason(bank: Bank) -> None:
    models = [
        Model(1, parameters={"rig": True}),
        Model(2, parameters={"animated": "True"}),
        Model(3, parameters={"shaders": ["BSDF_DIFFUSE", "OUTPUT_MATERIAL"]}),
        Model(4, parameters={"shaders": "BSDF_DIFFUSE,BSDF_GLASS"}),
        Model(5, license="editorial"),
    ]
    with serving(models) as blendkit:
        server = client(blendkit)
        assert search(bank, server).outcomes == {"set aside": 4, "new": 1}
        assert fetch(bank, server).outcomes == {"fetched": 1}
    refused = [bank.read(f"blenderkit-{identity(number)}").refused for number in (1, 2, 3, 5)]
    assert refused[0].startswith("is rigged")
    assert refused[1].startswith("is animated")
    assert "BSDF_DIFFUSE" in refused[2]
    assert "editorial" in refused[3]


def test_a_model_that_the_account_may_not_have_says_so_until_searched_again(bank: Bank) -> None:
    denied = {
        "canDownload": False,
        "canDownloadError": {"messages": ["User is anonymous"], "type": "anonymous_user"},
    }
    with serving([Model(1, raw=denied)]) as blendkit:
        server = client(blendkit)
        search(bank, server)
        assert "User is anonymous" in bank.read(f"blenderkit-{identity(1)}").refused
        blendkit.model(1).raw.clear()
        search(bank, server, again=True)
        assert fetch(bank, server).outcomes == {"fetched": 1}


def test_missing_fields_cost_no_more_than_they_must(bank: Bank) -> None:
    models = [
        Model(1, raw={"assetBaseId": None}),
        Model(2, raw={"author": None, "dictParameters": None, "tags": None, "category": None}),
        Model(3, raw={"files": None}),
        Model(4, raw={"thumbnailMiddleUrl": None}, sizes={"blend": None}),
    ]
    with serving(models) as blendkit:
        server = client(blendkit)
        assert search(bank, server).outcomes == {"unusable": 1, "new": 3}
        assert fetch(bank, server).outcomes == {"fetched": 2, "refused": 1}
    bare = bank.read(f"blenderkit-{identity(2)}")
    assert (bare.category, bare.tags, bare.size) == ("unknown", (), None)
    assert "lists no model" in bank.read(f"blenderkit-{identity(3)}").refused
    assert bank.read(f"blenderkit-{identity(4)}").thumbnail is None


def test_odd_names_and_numbers_become_records_that_can_be_written(bank: Bank) -> None:
    name = "../../etc/\x00пароль\u202e🍷" + "x" * 5000
    numbers = {"dimensionX": float("nan"), "faceCount": float("inf"), "deep": [[[[[1]]]]]}
    with serving([Model(1, name=name, parameters=numbers)]) as blendkit:
        server = client(blendkit)
        search(bank, server)
    asset = bank.read(f"blenderkit-{identity(1)}")
    assert asset.name.isprintable()
    assert len(asset.name) == 2000
    assert asset.declared["parameters"]["faceCount"] is None
    assert asset.size is None


def test_an_id_that_is_a_path_is_unusable() -> None:
    with pytest.raises(SourceError, match="no usable assetBaseId"):
        record_of({"assetBaseId": "../../outside"}, "https://blendkit.test")


def test_a_new_version_is_fetched_anew_and_judged_anew(bank: Bank) -> None:
    with serving([Model(1)]) as blendkit:
        before = found_and_fetched(bank, blendkit)
        blendkit.model(1).raw["id"] = "another-version"
        server = client(blendkit)
        assert search(bank, server).outcomes == {"known": 1}
        assert bank.read(before.id) == before
        assert search(bank, server, again=True).outcomes == {"renewed": 1}
    assert bank.read(before.id).file is None


def test_what_was_judged_of_a_picture_stays_until_there_is_another_version(bank: Bank) -> None:
    with serving([Model(1)]) as blendkit:
        server = client(blendkit)
        search(bank, server)
        found = blenderkit_bank.add_thumbnail(bank, server, bank.read(ONE))
        seen = Signal(transparent=0.9, reflective=0.1, reasons=(), version="1")
        verdict = Verdict(ruling="review", optical="transparent", score=0.9, reasons=())
        known = replace(found, signals={"vlm": seen}, verdict=verdict)
        bank.write(known)
        blendkit.model(1).raw["displayName"] = "Goblet"
        search(bank, server, again=True)
        assert bank.read(ONE) == replace(known, name="Goblet")
        blendkit.model(1).raw["id"] = "another-version"
        search(bank, server, again=True)
    after = bank.read(ONE)
    assert (after.thumbnail, after.signals, after.verdict) == (None, {}, None)


@pytest.mark.parametrize("most", [1, 3, 4])
def test_a_limit_holds_for_all_categories_together(bank: Bank, most: int) -> None:
    models = [Model(n, category="glass" if n < 4 else "sofa", parents=()) for n in range(1, 6)]
    queries = [Query(category="glass"), Query(category="sofa")]
    with serving(models) as blendkit:
        server = client(blendkit)
        told = server.web.progress
        blenderkit_bank.add_records(bank, server, queries, TODAY, most, False, told)
    assert len(bank.ids()) == most


def test_pictures_that_cannot_be_had_are_counted_as_such(bank: Bank) -> None:
    with serving([Model(1), Model(2), Model(3)]) as blendkit:
        search(bank, client(blendkit))
        blendkit.troubles.append(Trouble("/thumbnails/1", status=404))
        blendkit.troubles.append(Trouble("/thumbnails/2", times=2, status=503))
        place = Places(blendkit.url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatch, "Web", lambda told: Web(told, replace(QUICK, attempts=2)))
            (tally,) = dispatch.fetch_thumbnails(bank, list(bank.records()), None, place, Told())
    assert tally.outcomes == {"no picture": 1, "failed": 1, "pictured": 1}
    assert not any(asset.refused for asset in bank.records())


# Patience


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks() -> None:
    told = Told()
    with serving([Model(1)]) as blendkit:
        blendkit.troubles.append(Trouble("/search/", status=429, headers={"Retry-After": "1"}))
        assert len(list(client(blendkit, told=told).search(Query(), TODAY, None))) == 1
    ((kind, facts),) = told.events
    assert kind == "waiting"
    assert 0 < facts["seconds"] <= 1.0


def test_a_rest_of_an_hour_is_not_waited_for_but_told() -> None:
    with serving([Model(1)]) as blendkit:
        blendkit.troubles.append(Trouble("/search/", status=429, headers={"Retry-After": "3600"}))
        with pytest.raises(SourceError, match="left alone for 3600 s") as caught:
            list(client(blendkit).search(Query(), TODAY, None))
        assert len(blendkit.asked) == 1
    assert caught.value.passing


def test_a_rest_may_be_given_as_a_date() -> None:
    headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}
    with serving([Model(1)]) as blendkit:
        blendkit.troubles.append(Trouble("/search/", status=503, headers=headers))
        assert len(list(client(blendkit).search(Query(), TODAY, None))) == 1


def test_a_server_that_fails_for_a_while_is_asked_again_in_this_run_or_the_next(
    bank: Bank,
) -> None:
    with serving([Model(1)]) as blendkit:
        server = client(blendkit)
        blendkit.troubles.append(Trouble("/search/", times=3, status=500))
        search(bank, server)
        blendkit.troubles.append(Trouble("/downloads/", times=4, status=500))
        assert fetch(bank, server).outcomes == {"failed": 1}
        asset = bank.read(f"blenderkit-{identity(1)}")
        assert (asset.file, asset.refused) == (None, "")
        assert fetch(bank, server).outcomes == {"fetched": 1}


@pytest.mark.parametrize(
    "body", [b"<html>blocked</html>", b"[1, 2]", b'{"results": 5}', b"[" * 9999]
)
def test_an_answer_that_no_such_server_gives_is_an_error(body: bytes) -> None:
    with serving([]) as blendkit:
        blendkit.troubles.append(Trouble("/search/", status=200, body=body))
        with pytest.raises(SourceError, match="Blendkit server"):
            list(client(blendkit).search(Query(), TODAY, None))


@pytest.mark.parametrize(
    "words", ["Must have full plan to download this asset", "Payment required"]
)
def test_a_model_beyond_the_plan_stops_no_other_and_can_be_had_with_another_plan(
    bank: Bank, words: str
) -> None:
    with serving([Model(1), Model(2)]) as blendkit:
        server = client(blendkit)
        search(bank, server)
        body = json.dumps({"detail": words, "statusCode": 402}).encode()
        blendkit.troubles.append(Trouble("/downloads/1/", status=402, body=body))
        tally = fetch(bank, server)
        assert tally.outcomes == {"failed": 1, "fetched": 1}
        assert f"402 {words}: needs another plan" in tally.table()
        assert fetch(bank, server).outcomes == {"fetched": 1}


def test_a_redirection_to_another_host_takes_no_key_along() -> None:
    with serving([]) as blendkit, serving([Model(1)], key="") as other:
        there = other.files_url.replace("127.0.0.1", "localhost")
        headers = {"Location": f"{there}/thumbnails/1/middle.png"}
        blendkit.troubles.append(Trouble("/search/", status=302, headers=headers))
        with pytest.raises(SourceError, match="not JSON"):
            list(client(blendkit).search(Query(), TODAY, None))
        assert "Authorization" in blendkit.asked[0].headers
        assert "Authorization" not in other.asked[0].headers


def test_a_key_does_not_travel_unprotected() -> None:
    web = Web(Told(), QUICK)
    with pytest.raises(SourceError, match="would travel unprotected; use https"):
        Server(web, "http://blendkit.test", KEY, scene_of("a bank"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    "assetBaseId", "name", "displayName", "category", "description", "tags", "license", "author",
    "dictParameters", "files", "canDownload", "canDownloadError", "thumbnailMiddleUrl", "created",
    "id", "url", "filesSize",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=len(FIELDS)))
def test_whatever_a_result_holds_its_record_can_be_written_and_read(asset: dict[str, Any]) -> None:
    written = record_of({**asset, "assetBaseId": identity(1)}, "https://blendkit.test")
    assert from_json(AssetRecord, json.dumps(to_data(written), allow_nan=False)) == written
    with contextlib.suppress(SourceError):
        record_of(asset, "https://blendkit.test")


# Downloads


@pytest.mark.usefixtures("account")
def test_a_run_that_is_killed_is_gone_on_with_by_the_next(bank: Bank) -> None:
    with serving([Model(1, files={"blend": LONG})]) as blendkit:
        place = ("--bank", bank.root, "--server", blendkit.url)
        run_cli("assets", "search", *place)
        blendkit.troubles.append(Trouble("/assets/", cut=200_000, hang=5.0))
        with subprocess.Popen(command("assets", "fetch", *place)) as run:
            while not any(part.stat().st_size for part in bank.partial.glob("[!.]*.part")):
                assert run.poll() is None
                time.sleep(0.02)
            run.kill()
        assert run_cli("assets", "fetch", *place).stdout.split() == ["fetched", "1"]
        last = [one for one in blendkit.asked if "/assets/" in one.path][-1]
    assert int(last.headers["Range"][len("bytes=") : -1]) > 0
    asset = bank.read(f"blenderkit-{identity(1)}")
    assert model_path(bank, asset).read_bytes() == LONG
    assert not list(bank.partial.iterdir())


def test_one_forbidden_model_stops_no_other(bank: Bank) -> None:
    with serving([Model(1), Model(2), Model(3)]) as blendkit:
        server = client(blendkit)
        search(bank, server)
        blendkit.model(2).raw["canDownload"] = False
        blendkit.models.pop()
        assert fetch(bank, server).outcomes == {"fetched": 1, "refused": 2}
    assert "403" in bank.read(f"blenderkit-{identity(2)}").refused
    assert "404" in bank.read(f"blenderkit-{identity(3)}").refused


def test_without_an_account_a_paid_model_says_what_it_needs(bank: Bank) -> None:
    with serving([Model(1, free=False)]) as blendkit:
        server = client(blendkit, key="")
        search(bank, server)
        tally = fetch(bank, server)
        assert tally.outcomes == {"failed": 1}
        assert "set TRANSPHY3D_BLENDERKIT_KEY" in tally.table()
        assert fetch(bank, client(blendkit)).outcomes == {"fetched": 1}


@pytest.mark.usefixtures("account")
def test_a_model_over_the_limit_can_be_fetched_with_a_higher_one(bank: Bank) -> None:
    with serving([Model(1, files={"blend": BLEND * 300})]) as blendkit:
        place = ("--bank", bank.root, "--server", blendkit.url)
        run_cli("assets", "search", *place)
        said = run_cli("assets", "fetch", "--max-mib", "1", *place)
        assert (said.returncode, said.stdout.split()[:2]) == (3, ["failed", "1"])
        assert "is larger than 1 MiB; raise --max-mib" in said.stdout
        said = run_cli("assets", "fetch", "--max-mib", "2", *place)
        assert said.stdout.split() == ["fetched", "1"], said.stderr


def test_the_scene_of_a_bank_is_a_uuid_that_the_server_takes() -> None:
    with serving([Model(1)]) as blendkit:
        server = client(blendkit)
        (asset,) = server.search(Query(), TODAY, None)
        url = asset["files"][0]["downloadUrl"]
        assert server.link(url).startswith(blendkit.files_url)
        wrong = Server(server.web, server.base, server.key, scene="42")
        with pytest.raises(SourceClosed, match="scene_uuid"):
            wrong.link(url)


def test_a_link_that_has_run_out_is_renewed_once(bank: Bank) -> None:
    with serving([Model(1), Model(2)], links_run_out=1) as blendkit:
        assert found_and_fetched(bank, blendkit).file
        assert bank.read(f"blenderkit-{identity(2)}").file


def test_a_link_that_always_has_run_out_refuses_the_model(bank: Bank) -> None:
    with serving([Model(1)], links_run_out=9) as blendkit:
        asset = found_and_fetched(bank, blendkit)
    assert "403" in asset.refused
    assert "verify=" not in asset.refused


def test_a_body_that_breaks_off_is_gone_on_with(bank: Bank) -> None:
    with serving([Model(1, files={"blend": LONG})]) as blendkit:
        blendkit.troubles.append(Trouble("/assets/", cut=200_000))
        asset = found_and_fetched(bank, blendkit)
        first, second = (one for one in blendkit.asked if "/assets/" in one.path)
    assert "Range" not in first.headers
    assert 0 < int(second.headers["Range"][len("bytes=") : -1]) <= 200_000
    assert model_path(bank, asset).read_bytes() == LONG


def test_a_server_without_ranges_sends_a_broken_file_whole_again(bank: Bank) -> None:
    with serving([Model(1)], ranges=False) as blendkit:
        blendkit.troubles.append(Trouble("/assets/", cut=1000))
        asset = found_and_fetched(bank, blendkit)
        ranges = [one.headers.get("Range") for one in blendkit.asked if "/assets/" in one.path]
    assert ranges == [None, None]
    assert model_path(bank, asset).read_bytes() == BLEND


def test_the_next_run_goes_on_with_what_an_earlier_one_got(bank: Bank) -> None:
    with serving([Model(1, files={"blend": LONG})]) as blendkit:
        blendkit.troubles.append(Trouble("/assets/", cut=200_000))
        blendkit.troubles.append(Trouble("/assets/", times=4, cut=0))
        assert found_and_fetched(bank, blendkit).file is None
        fetch(bank, client(blendkit))
        last = [one for one in blendkit.asked if "/assets/" in one.path][-1]
    assert int(last.headers["Range"][len("bytes=") : -1]) > 0
    asset = bank.read(f"blenderkit-{identity(1)}")
    assert model_path(bank, asset).read_bytes() == LONG


@pytest.mark.parametrize("heeds_versions", [True, False])
def test_a_file_that_changed_in_between_is_fetched_from_its_beginning(
    bank: Bank, heeds_versions: bool
) -> None:
    models = [Model(1, files={"blend": LONG})]
    with serving(models, heeds_versions=heeds_versions) as blendkit:
        blendkit.troubles.append(Trouble("/assets/", cut=200_000))
        blendkit.troubles.append(Trouble("/assets/", times=4, cut=0))
        found_and_fetched(bank, blendkit)
        changed = LONG.replace(b"geometry", b"GEOMETRY")
        blendkit.model(1).files["blend"] = changed
        fetch(bank, client(blendkit))
    asset = bank.read(f"blenderkit-{identity(1)}")
    assert model_path(bank, asset).read_bytes() == changed


@pytest.mark.parametrize(
    ("content", "size", "reason"),
    [
        (BLEND, len(BLEND) + 1, "bytes, not"),
        (b"<!DOCTYPE html>", None, "neither .blend nor .glb nor .zip"),
        (b"", None, "has 0 bytes"),
        (GLB[:-1], None, "damaged .glb"),
        (b"PK\x03\x04 no archive", None, "no whole zip"),
        (zipped({"readme.txt": b"no mesh"}), None, "holds no mesh file"),
        (zipped({"../../model.blend": BLEND}), None, "outside its folder"),
    ],
)
def test_a_tampered_file_is_refused_and_leaves_nothing(
    bank: Bank, content: bytes, size: int | None, reason: str
) -> None:
    with serving([Model(1, files={"blend": content}, sizes={"blend": size})]) as blendkit:
        asset = found_and_fetched(bank, blendkit)
    assert reason in asset.refused
    assert asset.file is None
    assert [path for path in bank.root.rglob("*") if path.is_file() and "part" in path.name] == []
    assert not list(bank.downloads.glob("*"))


def test_an_archive_gives_the_mesh_inside_it(bank: Bank) -> None:
    content = zipped({"cup/cup.obj": b"v 0 0 0", "cup/Cup.blend": BLEND, "cup/wood.png": b"png"})
    with serving([Model(1, files={"zip_file": content})]) as blendkit:
        asset = found_and_fetched(bank, blendkit)
    path = model_path(bank, asset)
    assert path.name == "Cup.blend"
    assert path.read_bytes() == BLEND
    assert (path.parent / "wood.png").is_file()


def test_a_model_that_is_only_a_gltf_is_taken(bank: Bank) -> None:
    with serving([Model(1, files={"gltf_godot": GLB + b"", "gltf": GLB})]) as blendkit:
        asset = found_and_fetched(bank, blendkit)
    assert asset.declared["fetched"] == "gltf"
    assert model_path(bank, asset).suffix == ".glb"


@pytest.mark.parametrize(
    ("there", "resolution", "taken"),
    [
        (["blend", "resolution_1K", "resolution_2K"], "2K", "resolution_2K"),
        (["blend", "resolution_1K", "resolution_8K"], "2K", "resolution_1K"),
        (["blend", "resolution_0_5K"], "8K", "resolution_0_5K"),
        (["blend", "resolution_2K"], "original", "blend"),
        (["resolution_2K", "zip_file"], "original", "zip_file"),
        (["blend", "zip_file", "thumbnail"], "2K", "zip_file"),
        (["blend", "gltf"], "4K", "blend"),
        (["gltf", "gltf_godot"], "1K", "gltf"),
    ],
)
def test_files_are_chosen_as_the_official_client_does(
    there: list[str], resolution: str, taken: str
) -> None:
    files = [{"fileType": name, "downloadUrl": f"https://blendkit.test/{name}"} for name in there]
    assert choose_file(files, resolution)["fileType"] == taken


def test_a_model_with_pictures_alone_has_no_file_to_choose() -> None:
    with pytest.raises(SourceError, match="there are: thumbnail"):
        choose_file([{"fileType": "thumbnail", "downloadUrl": "https://blendkit.test/1"}], "2K")


def test_a_thumbnail_that_fails_costs_no_model(bank: Bank) -> None:
    with serving([Model(1), Model(2, thumbnail=b"<html>")]) as blendkit:
        blendkit.troubles.append(Trouble("/thumbnails/1", status=404))
        assert found_and_fetched(bank, blendkit).file
    assert all(asset.file and asset.thumbnail is None for asset in bank.records())


def test_equal_files_are_kept_once(bank: Bank) -> None:
    with serving([Model(1), Model(2)]) as blendkit:
        found_and_fetched(bank, blendkit)
    assert len({asset.file for asset in bank.records()}) == 1
    assert len(list(bank.downloads.iterdir())) == 1
