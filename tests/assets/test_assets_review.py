"""The review page: what it shows, what it writes, and what it refuses."""

from __future__ import annotations

import http.client
import json
import re
from dataclasses import replace
from threading import Thread
from urllib.parse import urlsplit

import pytest
from chromium import BROWSER, Page
from command_line import run_cli
from PIL import Image

from transphy3d.assets.bank import AssetRecord, Bank, Licence, Override, Signal, StoredFile, Verdict
from transphy3d.assets.review import decide, write_static
from transphy3d.assets.review_server import MAX_BODY, ReviewServer
from transphy3d.errors import AssetError
from transphy3d.files import sha256_file

HOSTILE = '</script><img src=x onerror="alert(1)">&\u2028'


def stored(bank, path):
    return StoredFile(
        path=path.relative_to(bank.root).as_posix(),
        bytes=path.stat().st_size,
        sha256=sha256_file(path),
    )


def picture(bank, name, colour):
    path = bank.thumbnails / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), colour).save(path)
    return stored(bank, path)


@pytest.fixture
def bank(tmp_path):
    bank = Bank(tmp_path / "bank")
    licence = Licence(name="cc_by", version="4.0", author=HOSTILE)
    signal = Signal(transparent=0.7, reflective=0.1, reasons=(HOSTILE,), version="rules 1")
    verdict = Verdict(ruling="review", optical="transparent", score=0.7, reasons=("one vote",))
    jar = AssetRecord(
        id="own-jar",
        source="own",
        source_id="jar",
        name=HOSTILE,
        url="javascript:alert(1)",
        licence=licence,
        size=(0.1, 0.1, 0.2),
        thumbnail=picture(bank, "own-jar.png", "red"),
        views=(picture(bank, "view.png", "green"),),
        signals={"graph": signal},
        verdict=verdict,
    )
    bank.write(jar)
    bank.write(replace(jar, id="own-cat", name="cat", refused="it is rigged", thumbnail=None))
    return bank


@pytest.fixture
def server(bank):
    with ReviewServer(bank) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def request(server, method, path, body=None, token=True, **headers):
    """Status, headers and body of an answer; the path is sent as it is, dots and all."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    prefix = f"/{server.token}" if token else ""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, prefix + path, body, names)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def post(server, decision, **headers):
    headers = {"Content_Type": "application/json"} | headers
    return request(server, "POST", "/override", json.dumps(decision), **headers)


def shown(html):
    text = re.search(r'<script id="assets"[^>]*>(.*?)</script>', html, re.S)[1]
    return {asset["id"]: asset for asset in json.loads(text)["assets"]}


ACCEPT = {"asset": "own-jar", "ruling": "accepted", "optical": "reflective", "note": "chrome"}


def test_page_shows_every_asset_with_its_signals_and_state(server):
    status, headers, html = request(server, "GET", "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assets = shown(html.decode())
    assert assets["own-jar"]["state"] == "review"
    assert assets["own-jar"]["size"] == "10.0 × 10.0 × 20.0 cm"
    assert assets["own-jar"]["signals"][0]["judge"] == "The material graph"
    assert [item["label"] for item in assets["own-jar"]["pictures"]] == [
        "picture of the source",
        "view 1",
    ]
    assert (assets["own-cat"]["state"], assets["own-cat"]["refused"]) == ("refused", "it is rigged")


def test_pictures_of_the_page_are_served_as_they_lie_in_the_bank(server, bank):
    asset = bank.read("own-jar")
    for number, stored_file in enumerate((asset.thumbnail, *asset.views)):
        status, headers, data = request(server, "GET", f"/picture/own-jar/{number}")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert data == bank.file(stored_file).read_bytes()


def test_a_decision_is_written_to_the_catalogue(server, bank):
    status, _, answer = post(server, ACCEPT)
    assert status == 200
    assert json.loads(answer)["state"] == "accepted"
    asset = bank.read("own-jar")
    assert asset.override == Override(ruling="accepted", optical="reflective", note="chrome")
    assert asset.accepted and asset.optical == "reflective"
    assert asset.verdict.ruling == "review"
    assert not list(bank.catalogue.glob(".*"))


def test_a_decision_can_be_taken_back(server, bank):
    post(server, ACCEPT)
    status, _, answer = post(server, {"asset": "own-jar"})
    assert (status, json.loads(answer)["state"]) == (200, "review")
    assert bank.read("own-jar").override is None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/override", "/wrong/picture/own-jar/0"])
def test_without_the_token_nothing_is_answered(server, bank, method, path):
    status, _, answer = request(server, method, path, json.dumps(ACCEPT), token=False)
    assert status == 403
    assert b"own-jar" not in answer
    assert bank.read("own-jar").override is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_requests_that_another_page_could_send_are_refused(server, bank, headers, expected):
    status, _, _ = post(server, ACCEPT, **headers)
    assert status == expected
    assert bank.read("own-jar").override is None


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/picture/../catalogue/own-jar.json",
        "/picture/..%2f..%2fsecret/0",
        "/picture/own-jar/7",
        "/picture/own-jar/-1",
        "/picture/own-jar/0/../../x",
        "/picture/nobody/0",
        "/catalogue/own-jar.json",
    ],
)
def test_paths_lead_nowhere_but_to_pictures_of_records(server, path):
    assert request(server, "GET", path)[0] == 404


def test_a_record_cannot_name_a_file_outside_the_bank_or_one_that_is_no_picture(server, bank):
    secret = bank.root.parent / "secret.png"
    Image.new("RGB", (4, 4)).save(secret)
    outside = StoredFile(path="../secret.png", bytes=1, sha256="0" * 64)
    text = bank.root / "notes.png"
    text.write_text("<script>alert(1)</script>")
    asset = bank.read("own-jar")
    bank.write(replace(asset, thumbnail=outside, views=(stored(bank, text),)))
    assert request(server, "GET", "/picture/own-jar/0")[0] == 404
    assert request(server, "GET", "/picture/own-jar/1")[0] == 404


@pytest.mark.parametrize(
    ("decision", "hint"),
    [
        (ACCEPT | {"asset": "own-jam"}, "did you mean 'own-jar'"),
        (ACCEPT | {"asset": "../own-jar"}, "ids are of a-z"),
        (ACCEPT | {"asset": "own-cat"}, "was refused"),
        (ACCEPT | {"ruling": "perhaps"}, "not understood"),
        (ACCEPT | {"colour": "red"}, "not understood"),
        ({"asset": "own-jar", "ruling": "accepted"}, "optical class"),
        ("[", "not understood"),
    ],
)
def test_a_wrong_decision_is_explained_and_changes_nothing(server, bank, decision, hint):
    before = [bank.record_file(asset).read_bytes() for asset in bank.ids()]
    status, _, answer = post(server, decision)
    assert status == 422
    assert hint in json.loads(answer)["error"]
    assert [bank.record_file(asset).read_bytes() for asset in bank.ids()] == before


def test_a_decision_that_is_too_long_is_not_read(server):
    body = json.dumps(ACCEPT | {"note": "x" * MAX_BODY})
    assert request(server, "POST", "/override", body, Content_Type="application/json")[0] == 413


def test_names_of_assets_stay_text(server, bank, tmp_path):
    page = request(server, "GET", "/")[2].decode()
    write_static(bank, tmp_path / "page.html")
    for html in (page, (tmp_path / "page.html").read_text()):
        assert HOSTILE not in html and "<img src=x" not in html
        assert shown(html)["own-jar"]["name"] == HOSTILE
        assert shown(html)["own-jar"]["url"] == ""
        assert html.count("<script") == 2


def test_only_the_pages_own_script_may_run(server):
    first, second = (request(server, "GET", "/")[2].decode() for _ in range(2))
    nonces = [re.search(r"script-src 'nonce-([^']+)'", html)[1] for html in (first, second)]
    assert nonces[0] != nonces[1]
    assert "default-src 'none'" in first
    assert f'<script nonce="{nonces[0]}">' in first


def test_tokens_differ_and_are_long(bank):
    tokens = []
    for _ in range(2):
        with ReviewServer(bank) as server:
            tokens.append(server.token)
    assert tokens[0] != tokens[1] and min(map(len, tokens)) >= 32


def test_a_port_that_is_taken_is_an_error(server, bank):
    port = server.server_address[1]
    with pytest.raises(AssetError, match=f"--port {port}"):
        ReviewServer(bank, port)


def test_the_page_for_looking_needs_no_other_file(bank, tmp_path):
    write_static(bank, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    jar = shown(html)["own-jar"]
    assert [item["url"][:23] for item in jar["pictures"]] == ["data:image/jpeg;base64,"] * 2
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert '"live": false' in html


def test_a_folder_in_place_of_the_page_is_an_error(bank, tmp_path):
    said = run_cli("assets", "review", "--static", tmp_path, "--bank", bank.root)
    assert said.returncode == 3
    assert "is a folder; name a file in it" in said.stderr


def test_a_picture_that_cannot_be_opened_is_left_out_of_the_page_for_looking(bank, tmp_path):
    bank.file(bank.read("own-jar").thumbnail).write_bytes(b"\x89PNG broken")
    write_static(bank, tmp_path / "page.html")
    pictures = shown((tmp_path / "page.html").read_text())["own-jar"]["pictures"]
    assert [item["label"] for item in pictures] == ["view 1"]


def test_a_persons_word_outranks_the_verdict(bank):
    asset = decide(bank, json.dumps(ACCEPT | {"ruling": "rejected"}).encode())
    assert not asset.accepted
    assert decide(bank, json.dumps(ACCEPT).encode()).accepted


@pytest.fixture
def page(server, tmp_path):
    page = Page(server.url, tmp_path / "profile")
    yield page
    page.close()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_keys_decide_in_a_browser_and_hostile_names_do_nothing(page, bank):
    jar = bank.read("own-jar")
    bank.write(replace(jar, id="own-pot", name="pot"))
    page.call("Page.reload")
    page.until("document.querySelectorAll('#list li').length === 2")
    assert page.evaluate("document.querySelector('#detail h2').textContent") == HOSTILE
    assert page.evaluate("document.querySelectorAll('img[src=x], #detail a').length") == 0
    page.until("document.querySelector('img.picture').naturalWidth === 32")
    page.press("2")
    assert page.evaluate("document.querySelector('img.picture').src").endswith("own-jar/1")

    page.press("t")
    page.until("document.querySelector('#detail h2').textContent === 'pot'")
    assert bank.read("own-jar").override == Override(ruling="accepted", optical="transparent")
    page.press("x")
    page.until("document.querySelectorAll('#list li').length === 0")
    assert bank.read("own-pot").override.ruling == "rejected"
    page.evaluate("[...document.querySelectorAll('#states button')][5].click()")
    page.until("document.querySelectorAll('#list li').length === 2")
    page.press("u")
    page.until("document.querySelectorAll('#list li').length === 1")
    assert bank.read("own-jar").override is None


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_decision_that_is_not_saved_says_why(page, bank):
    page.until("document.querySelectorAll('#list li').length === 1")
    bank.write(replace(bank.read("own-jar"), refused="gone bad"))
    page.press("r")
    page.until("document.querySelector('#failure').textContent.includes('gone bad')")
    assert bank.read("own-jar").override is None
