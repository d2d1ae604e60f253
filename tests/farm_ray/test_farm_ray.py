"""A real Ray of a head and two machines, and what happens to runs on it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import pytest
import yaml
from blender_faults import blender_faults
from command_line import command, run_cli
from ray_nodes import free_port, ray_head

from transphy3d.errors import RunError
from transphy3d.farm.engines.ray import RayEngine, RayProfile
from transphy3d.job import load_job

pytest.importorskip("ray", reason="Ray is not installed: pip install 'transphy3d[dev-farm]'")
if shutil.which("unshare") is None:
    pytest.skip("unshare is not installed, which gives machines names", allow_module_level=True)

FRAMES = 10
TWO_ARE_MADE = "'/rgb/0002' in picture"
WAIT_SECONDS = 180
SETTINGS = [
    *("--set", f"frames={FRAMES}", "--set", "width=32", "--set", "height=24"),
    *("--set", "render.device=cpu", "--set", "run.threads=1"),
    *("--set", "run.heartbeat=1", "--set", "run.lease=8", "--set", "run.keep_frames=true"),
    *("--set", "output.videos=0"),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The same sequences, made undisturbed on this machine without Ray."""
    out = tmp_path_factory.mktemp("reference") / "run"
    said = run_cli("render", "smoke", "--out", out, *SETTINGS, "--set", "sequences=3")
    assert said.returncode == 0, said.stderr
    return out


@pytest.fixture(scope="module")
def head():
    with ray_head() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """A folder that machine n1 does not see, because it has another disk there."""
    return tmp_path_factory.mktemp("hidden")


@pytest.fixture(scope="module")
def cluster(head, hidden):
    """The head, with both machines switched on."""
    head.start_machine("n0", 0)
    head.start_machine("n1", 1, before=f"mount -t tmpfs none {hidden}")
    return head


@pytest.fixture
def start(cluster, tmp_path):
    """Starts a job on the cluster; what still runs of it ends with the test."""
    profile = tmp_path / "ray.yaml"
    started = []

    def begin(out, *extra, faults=None):
        settings = {"address": cluster.address, "gpus": 1}
        # By the profile, as plugins are not loaded where the scene was made by an earlier try.
        settings["environment"] = faults.environment if faults else {}
        profile.write_text(yaml.safe_dump(settings))
        options = ("--out", out, "--engine", "ray", "--profile", profile, "--progress", "json")
        process = subprocess.Popen(
            command("render", "smoke", *options, *SETTINGS, *extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=cluster.environment,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def refused(nodes, tmp_path, settings, *extra):
    """What a job says that does not even start."""
    profile = tmp_path / "ray.yaml"
    profile.write_text(yaml.safe_dump(settings))
    out = tmp_path / "run"
    said = subprocess.run(
        command("render", "smoke", "--out", out, "--engine", "ray", "--profile", profile, *extra),
        env=nodes.environment,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert said.returncode != 0
    assert not list(out.glob("units/*"))
    return said


def ended(process):
    """Exit code and events of a started job."""
    said, told = process.communicate(timeout=WAIT_SECONDS)
    events = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    return process.returncode, events, said + told


def wait_for(condition, process):
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if found := condition():
            return found
        assert process.poll() is None, f"the job ended too early: {process.communicate()}"
        time.sleep(0.05)
    raise AssertionError("what was waited for did not happen")


def pictures(out, unit):
    folder = out / f"units/{unit:06d}/stage/frames/rgb"
    return {path: path.stat().st_mtime_ns for path in folder.glob("[0-9]*")}


def processes_of(out, unit):
    """Ids of the processes, of whatever machine, that make a sequence."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if str(out) in words and "--unit" in words and words[words.index("--unit") + 1] == unit:
                yield int(entry.name)


def ray_worker_of(out, unit):
    """Id of Ray's process that has started the one that makes a sequence."""
    for pid in processes_of(out, str(unit)):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def attempts(out, unit):
    files = sorted((out / f"units/{unit:06d}/attempts").glob("*.json"))
    return [json.loads(path.read_text()) for path in files]


def outcomes(out, unit):
    """How the tries at a sequence ended, as the record of what it took says."""
    return json.loads((out / f"done/{unit:06d}.json").read_text())["tries"]


def checksums(out, unit):
    with h5py.File(out / f"sequences/{unit:06d}.h5", "r", locking=False) as file:
        sums = file[f"{unit:06d}/checksums"]
        return {name: sums[name][()].tobytes() for name in ("rgb", "depth", "normal", "instance")}


def published(events):
    return sorted(e["sequence"] for e in events if e["event"] == "sequence done")


def assert_same(out, reference, *units):
    """Sequences stand in their files and in the shards, with the content of undisturbed ones."""
    index = json.loads((out / "shards/index.json").read_text())
    names = [entry["name"] for entry in index["sequences"]]
    for unit in units:
        assert checksums(out, unit) == checksums(reference, unit)
        assert names.count(f"{unit:06d}") == 1


def test_a_cluster_without_gpus_is_refused_where_one_is_demanded(head, tmp_path):
    if len(head.processes) > 1:
        pytest.skip("machines with GPUs have joined already")
    said = refused(head, tmp_path, {"address": head.address, "gpus": 1})
    assert said.returncode == 6
    assert "no machine of the cluster has a GPU" in said.stderr


def test_a_cluster_with_too_little_room_is_refused(cluster, tmp_path):
    wanted = {"address": cluster.address, "cpus": 64, "resources": {"render_farm": 1}}
    said = refused(cluster, tmp_path, wanted)
    assert said.returncode == 8
    assert "no machine has room for a task of 64 CPU" in said.stderr
    assert "n0: 1 CPU, 1 GPU" in said.stderr


def test_a_machine_that_does_not_see_the_run_directory_is_named(cluster, hidden):
    said = refused(cluster, hidden, {"address": cluster.address})
    assert said.returncode == 8
    assert "n1 does not see the run directory" in said.stderr
    assert "n0" not in said.stderr


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"127.0.0.1:{free_port()}", "no cluster answers at 127.0.0.1"),
        ("ray://127.0.0.1:10001", "Ray Client"),
        ("head-of-cluster", "not of the form HOST:PORT"),
    ],
)
def test_a_wrong_address_is_an_error_at_once(tmp_path, address, words):
    engine = RayEngine(RayProfile(address=address))
    with pytest.raises(RunError, match=words):
        engine.check(load_job("smoke"), tmp_path)


def test_sequences_get_a_gpu_each_and_a_poisoned_one_is_set_aside(start, reference, tmp_path):
    poison = tmp_path / "poison.py"
    poison.write_text(
        "import os, pathlib, socket, sys, time\n"
        "unit = sys.argv[sys.argv.index('--unit') + 1] if '--unit' in sys.argv else None\n"
        "if unit == '0':\n"
        "    os.kill(os.getppid(), 9)\n"
        "    time.sleep(60)\n"
        "if unit:\n"
        "    seen = (socket.gethostname(), os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "    pathlib.Path(__file__).with_name(f'unit{unit}').write_text(' '.join(seen))\n"
    )
    out = tmp_path / "run"
    extra = ["--set", "sequences=3", "--set", "run.attempts=2", "--set", f"plugins=[{poison}]"]
    code, events, said = ended(start(out, *extra))
    assert code == 8, said
    lost = [e for e in events if e["event"] == "sequence lost"]
    assert [e["sequence"] for e in lost] == [0, 0]
    assert "WorkerCrashedError" in lost[0]["why"]
    dead = json.loads((out / "dead/000000.json").read_text())
    assert dead["outcome"] == "vanished"
    assert "--unit 0 --retry" in dead["replay"]
    assert not (out / "sequences/000000.h5").exists()

    assert published(events) == [1, 2]
    assert_same(out, reference, 1, 2)
    assert {(tmp_path / f"unit{unit}").read_text() for unit in (1, 2)} <= {"n0 0", "n1 1"}


def test_a_killed_worker_and_a_dead_machine_cost_no_sequence_and_no_frame(
    start, cluster, reference, tmp_path
):
    out = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if=TWO_ARE_MADE)
    process = start(out, "--set", "sequences=2", faults=faults)
    wait_for(lambda: len(pictures(out, 0)) == 2, process)
    os.kill(ray_worker_of(out, 0), signal.SIGKILL)
    kept = pictures(out, 0)
    wait_for(lambda: len(attempts(out, 0)) == 2 and pictures(out, 1), process)
    unit = next(u for u in (0, 1) if attempts(out, u)[-1]["host"] == "n1")
    cluster.kill_machine("n1")
    faults.let_go()
    code, events, said = ended(process)
    assert code == 0, said
    assert published(events) == [0, 1]
    assert_same(out, reference, 0, 1)
    assert outcomes(out, 0)["vanished"] >= 1
    assert outcomes(out, unit)["vanished"] >= 1
    assert attempts(out, unit)[-1]["host"] == "n0"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    cluster.start_machine("n1", 1)


def test_a_driver_may_be_killed_stopped_and_drained_and_started_again(
    start, cluster, reference, tmp_path
):
    out = tmp_path / "run"
    faults = blender_faults(tmp_path / "faults", hold_if=TWO_ARE_MADE)
    process = start(out, "--set", "sequences=3", faults=faults)
    wait_for(lambda: pictures(out, 0) and pictures(out, 1), process)
    process.kill()
    process.wait()
    wait_for_end(lambda: not [*processes_of(out, "0"), *processes_of(out, "1")])
    kept = pictures(out, 0)

    process = start(out, "--set", "sequences=3", faults=faults)
    wait_for(lambda: len(attempts(out, 0)) == 2, process)
    process.send_signal(signal.SIGTERM)
    code, _, said = ended(process)
    assert code == 75, said
    assert attempts(out, 0)[-1]["outcome"] == "interrupted"

    process = start(out, "--set", "sequences=3", faults=faults)
    wait_for(lambda: len(attempts(out, 0)) == 3, process)
    assert run_cli("drain", "--out", out).returncode == 0
    faults.let_go()
    code, _, said = ended(process)
    assert code == 75, said
    assert (out / "sequences/000000.h5").exists()
    assert len(list(out.glob("sequences/*.h5"))) < 3  # two machines had one each

    said = subprocess.run(
        command("resume", "--out", out),
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert_same(out, reference, 0, 1, 2)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def wait_for_end(condition):
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
