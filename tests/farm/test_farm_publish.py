"""Publishing a finished run under an address: whole, in order, once, whatever the network does."""

import errno
import itertools
import json
import shutil
import subprocess

import fsspec
import pytest
from command_line import run_cli
from fsspec.implementations.memory import MemoryFileSystem

from transphy3d import open_dataset
from transphy3d.errors import DiskFull, JobError, PackageMissing, RunError, ShardError
from transphy3d.farm import store as stores
from transphy3d.farm.publish import publish_run
from transphy3d.shards.index import read_index

numbers = itertools.count()


class Events:
    """A reporter that keeps the names of the files that are sent."""

    def __init__(self):
        self.sent = []

    def event(self, kind, **facts):
        self.sent.append(facts["file"])


class Fickle(MemoryFileSystem):
    """A store whose uploads go wrong as `faults` says, one fault an upload."""

    protocol = "fickle"
    store = {}  # noqa: RUF012  the base class keeps its files in the class, too
    pseudo_dirs = [""]  # noqa: RUF012
    faults = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("fickle://", "memory://"))

    def put_file(self, lpath, rpath, **kwargs):
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, BaseException):
            raise fault
        super().put_file(lpath, rpath, **kwargs)
        if fault == "damage":
            content = bytearray(self.cat_file(rpath))
            content[len(content) // 2] ^= 0xFF
            self.pipe_file(rpath, bytes(content))
        if fault == "cut":
            self.pipe_file(rpath, self.cat_file(rpath)[:-1])


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(stores, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def run(smoke_run, tmp_path):
    return shutil.copytree(smoke_run.out, tmp_path / "run", copy_function=shutil.copy2)


@pytest.fixture
def fickle():
    fsspec.register_implementation("fickle", Fickle, clobber=True)
    Fickle.store.clear()
    Fickle.faults.clear()
    return Fickle()


def publish(run, url, **options):
    events = Events()
    return publish_run(run, url, events, **options), events.sent


def memory_url():
    return f"memory://set-{next(numbers)}"


def there(url):
    files, base = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    return {path.removeprefix(base).lstrip("/") for path in files.find(base)}


def belongs(run):
    shards = {f"shards/{path.name}" for path in (run / "shards").iterdir()}
    pictures = {path.relative_to(run).as_posix() for path in (run / "preview").rglob("*.*")}
    return shards | pictures


def test_a_folder_gets_everything_and_reads_as_a_data_set(run, tmp_path):
    target = tmp_path / "published"
    said = run_cli("publish", "--out", run, f"file://{target}", "--progress", "json")
    assert said.returncode == 0, said.stderr
    sent = [json.loads(line)["file"] for line in said.stderr.splitlines()]
    assert sent[-1] == "shards/index.json"
    assert set(sent) == there(f"file://{target}") == belongs(run)
    sums = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=target / "shards", check=False
    )
    assert sums.returncode == 0
    assert open_dataset(target / "shards")[0]["depth"][0].shape == (40, 64)


def test_a_second_call_sends_nothing(run):
    url = memory_url()
    first, _ = publish(run, url)
    again, sent = publish(run, url)
    assert (again.sent, sent, again.present) == (0, [], first.sent)


def test_what_another_machine_published_is_compared_and_not_sent_again(run):
    url = memory_url()
    first, _ = publish(run, url)
    shutil.rmtree(run / "receipts")
    again, _ = publish(run, url)
    assert (again.sent, again.present) == (0, first.sent)


def test_a_published_file_that_was_damaged_is_sent_again_and_the_index_after_it(run, tmp_path):
    target = tmp_path / "published"
    publish(run, str(target))
    shard = sorted(target.glob("shards/*.h5"))[1]
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    _, sent = publish(run, str(target))
    assert sent == [f"shards/{shard.name}", "shards/index.json"]
    assert shard.read_bytes() == (run / "shards" / shard.name).read_bytes()


def test_an_interrupted_call_leaves_no_index_and_is_gone_on_with(run, fickle):
    fickle.faults[:] = [None, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        publish(run, "fickle://set")
    assert there("fickle://set") == {"shards/smoke-00000.h5"}
    _, sent = publish(run, "fickle://set")
    assert "shards/smoke-00000.h5" not in sent
    assert there("fickle://set") == belongs(run)


def test_an_index_is_withdrawn_while_what_it_names_changes(run, fickle):
    publish(run, "fickle://set")
    fickle.rm_file("/set/shards/smoke-00001.h5")
    fickle.faults[:] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        publish(run, "fickle://set")
    assert "shards/index.json" not in there("fickle://set")


@pytest.mark.parametrize("fault", ["damage", "cut", TimeoutError("no answer")])
def test_what_does_not_arrive_whole_is_sent_again(run, fickle, fault):
    fickle.faults[:] = [fault] * (stores.TRIES - 1)
    publish(run, "fickle://set")
    assert there("fickle://set") == belongs(run)
    for name in read_index(run / "shards").shards:
        assert fickle.cat_file(f"/set/shards/{name}") == (run / "shards" / name).read_bytes()


def test_tries_are_bounded_and_nothing_damaged_gets_a_name(run, fickle):
    fickle.faults[:] = ["damage"] * 100
    with pytest.raises(RunError, match=r"sending shards/smoke-00000.h5 failed 4 times.*checksum"):
        publish(run, "fickle://set")
    assert there("fickle://set") <= {"shards/.smoke-00000.h5.part"}


def test_sizes_alone_are_compared_where_reading_back_is_not_wanted(run, fickle):
    fickle.faults[:] = ["cut", "damage"]
    publish(run, "fickle://set", read_back=False)
    published = fickle.cat_file("/set/shards/smoke-00000.h5")
    assert len(published) == (run / "shards/smoke-00000.h5").stat().st_size
    assert published != (run / "shards/smoke-00000.h5").read_bytes()


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (PermissionError("AccessDenied"), RunError, "no permission.*AccessDenied"),
        (FileNotFoundError("no bucket"), RunError, "no such bucket or folder"),
        (OSError(errno.ENOSPC, "full"), DiskFull, "no space is left"),
    ],
)
def test_what_only_the_user_can_mend_is_an_error_at_once(run, fickle, fault, kind, words):
    fickle.faults[:] = [fault]
    with pytest.raises(kind, match=words):
        publish(run, "fickle://set")


def test_a_place_that_cannot_be_written_is_found_before_anything_is_sent(run, monkeypatch, fickle):
    def refuse(*_, **__):
        raise PermissionError("read only")

    monkeypatch.setattr(Fickle, "open", refuse)
    with pytest.raises(RunError, match=r"fickle://set: writing: no permission.*read only"):
        publish(run, "fickle://set")
    assert there("fickle://set") == set()


def test_an_unknown_scheme_is_named_with_its_nearest(run):
    with pytest.raises(JobError, match=r"sftpp://.*did you mean sftp://"):
        publish(run, "sftpp://host/folder")


def test_a_missing_driver_is_named(run):
    fsspec.register_implementation(
        "driverless", "no_such_driver.Files", clobber=True, errtxt="Install no_such_driver"
    )
    with pytest.raises(PackageMissing, match=r"driverless://.*Install no_such_driver"):
        publish(run, "driverless://bucket")


def test_another_data_set_is_not_overwritten(run, tmp_path):
    target = tmp_path / "published"
    publish(run, str(target))
    index = json.loads((target / "shards/index.json").read_text())
    (target / "shards/index.json").write_text(json.dumps(index | {"name": "bottles"}))
    with pytest.raises(RunError, match="holds the data set 'bottles'"):
        publish(run, str(target))


def test_shards_that_the_set_no_longer_has_are_removed(run, tmp_path):
    target = tmp_path / "published"
    publish(run, str(target))
    index = json.loads((target / "shards/index.json").read_text())
    index["shards"]["smoke-00007.h5"] = "0" * 64
    (target / "shards/index.json").write_text(json.dumps(index))
    (target / "shards/smoke-00007.h5").write_bytes(b"old")
    publish(run, str(target))
    assert there(str(target)) == belongs(run)


def test_an_unfinished_run_is_refused(smoke_run, tmp_path):
    assert run_cli("plan", "smoke", "--out", tmp_path / "new").returncode == 0
    said = run_cli("publish", "--out", tmp_path / "new", tmp_path / "published")
    assert said.returncode == 8
    assert "2 sequences are not finished" in said.stderr
    assert not (tmp_path / "published").exists()


def test_an_unverified_run_is_refused(run):
    (run / "verified.txt").unlink()
    with pytest.raises(RunError, match="not verified"):
        publish(run, memory_url())


def test_a_shard_that_changed_behind_our_back_is_refused(run):
    shard = run / "shards/smoke-00001.h5"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ShardError, match=r"smoke-00001.h5: is not what its index says"):
        publish(run, memory_url())
