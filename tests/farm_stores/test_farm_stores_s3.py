"""Publishing over the real S3 protocol, to a server of it on this machine."""

import shutil

import pytest
from command_line import run_cli

from transphy3d.errors import RunError
from transphy3d.farm import store as stores
from transphy3d.farm.publish import publish_run
from transphy3d.progress import make_progress
from transphy3d.shards.index import read_index

server = pytest.importorskip("moto.server", reason="pip install 'transphy3d[dev-farm]'")
s3fs = pytest.importorskip("s3fs", reason="pip install 'transphy3d[dev-farm]'")
BUCKET = "data-sets"


@pytest.fixture(scope="module")
def endpoint():
    running = server.ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch):
    """The server's files, with one bucket; the variables are those that users set."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(stores, "FIRST_PAUSE_SECONDS", 0.0)
    files = s3fs.S3FileSystem(endpoint_url=endpoint, skip_instance_cache=True)
    files.mkdir(BUCKET)
    yield files
    files.rm(BUCKET, recursive=True)


@pytest.fixture
def run(smoke_run, tmp_path):
    return shutil.copytree(smoke_run.out, tmp_path / "run", copy_function=shutil.copy2)


def published(bucket):
    bucket.invalidate_cache()
    return {path.split("/", 2)[2] for path in bucket.find(f"{BUCKET}/glass")}


def test_a_run_is_published_and_a_second_call_sends_nothing(run, bucket, tmp_path):
    url = f"s3://{BUCKET}/glass"
    said = run_cli("publish", "--out", run, url)
    assert said.returncode == 0, said.stderr
    wanted = {p.relative_to(run).as_posix() for p in (run / "preview").rglob("*.*")}
    wanted |= {f"shards/{p.name}" for p in (run / "shards").iterdir()}
    assert published(bucket) == wanted
    bucket.get(f"{BUCKET}/glass/shards", str(tmp_path / "copy"), recursive=True)
    assert run_cli("verify", tmp_path / "copy").returncode == 0
    again = publish_run(run, url, make_progress("json"))
    assert (again.sent, again.present) == (0, len(wanted))


def test_a_damaged_object_is_replaced(run, bucket):
    url = f"s3://{BUCKET}/glass"
    publish_run(run, url, make_progress("json"))
    name = next(iter(read_index(run / "shards").shards))
    content = bytearray((run / "shards" / name).read_bytes())
    content[50] ^= 1
    bucket.pipe_file(f"{BUCKET}/glass/shards/{name}", bytes(content))
    assert publish_run(run, url, make_progress("json")).sent == 2  # the shard, then the index
    bucket.invalidate_cache()
    found = bucket.cat_file(f"{BUCKET}/glass/shards/{name}")
    assert found == (run / "shards" / name).read_bytes()


def test_a_bucket_that_is_not_there_is_an_error_and_not_made(run, bucket):
    with pytest.raises(RunError, match="no such bucket or folder"):
        publish_run(run, "s3://mistyped/glass", make_progress("json"))
    assert not bucket.exists("mistyped")
