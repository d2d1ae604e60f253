from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from transphy3d import doctor
from transphy3d.doctor import Finding, Probe

LOADER = "ImportError: libXrender.so.1: cannot open shared object file: No such file or directory"
LDD = """
\tlinux-vdso.so.1 (0x00007ffd)
\tlibSM.so.6 => not found
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)
\tlibodd.so.3 => not found
"""


@pytest.mark.parametrize(
    ("version", "status"), [((3, 11), "ok"), ((3, 12), "fail"), ((3, 10), "fail")]
)
def test_only_python_3_11_has_a_bpy(version, status):
    assert doctor.check_python(version, "Linux").status == status


def test_a_missing_library_is_named_with_its_packages():
    finding = doctor.check_bpy(Probe(1, "", f"Traceback\n  File x\n{LOADER}\n"))
    assert finding.status == "fail"
    assert "libXrender.so.1" in finding.detail
    assert "apt install libxrender1" in finding.remedy
    assert "dnf install libXrender" in finding.remedy


def test_ldd_tells_all_missing_libraries_at_once():
    missing = doctor.missing_in_ldd(LDD)
    assert missing == ["libSM.so.6", "libodd.so.3"]
    finding = doctor.check_libraries(missing)
    assert finding.status == "fail"
    assert "apt install libsm6" in finding.remedy
    assert "find the package that holds libodd.so.3" in finding.remedy
    assert doctor.check_libraries([]).status == "ok"


def test_a_crash_of_bpy_is_a_finding_with_the_signal():
    finding = doctor.check_bpy(Probe(-11, "", "Fatal Python error: Segmentation fault"))
    assert finding.status == "fail" and "signal 11" in finding.detail and finding.remedy


def test_an_absent_bpy_says_how_to_install_it():
    finding = doctor.check_bpy(Probe(1, "", "ModuleNotFoundError: No module named 'bpy'"))
    assert "pip install" in finding.remedy and "3.11" in finding.remedy


def test_a_probe_survives_a_crash_of_its_child():
    result = doctor.probe("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert result.code == -11
    assert doctor.check_bpy(result).status == "fail"


def test_libraries_that_print_do_not_hide_the_answer():
    result = doctor.probe("print('noise'); print(); print('\"4.5.1\"')")
    assert doctor.check_bpy(result) == Finding("bpy", "ok", "bpy 4.5.1")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ([{"type": "CPU", "name": "a"}], "warn"),
        ([{"type": "OPTIX", "name": "b"}, {"type": "CPU", "name": "a"}], "ok"),
    ],
)
def test_rendering_without_a_gpu_is_slow_but_no_failure(found, status):
    finding = doctor.check_devices(Probe(0, json.dumps(found), ""))
    assert finding.status == status
    assert all(device["name"] in finding.detail for device in found)
    assert bool(finding.remedy) == (status == "warn")


def test_no_denoiser_is_a_warning():
    assert doctor.check_denoisers(Probe(0, "[]", "")).status == "warn"
    assert doctor.check_denoisers(Probe(0, '["OpenImageDenoise"]', "")).status == "ok"


@pytest.mark.parametrize(("gib", "status"), [(100, "ok"), (5, "warn"), (0.5, "fail")])
def test_disk_space_has_three_grades(gib, status):
    finding = doctor.check_disk("output folder", Path("/data"), int(gib * doctor.GIB))
    assert finding.status == status
    assert bool(finding.remedy) == (status != "ok")


@pytest.mark.parametrize(("gib", "status"), [(32, "ok"), (4, "warn")])
def test_little_memory_is_a_warning(gib, status):
    assert doctor.check_memory(gib * doctor.GIB).status == status


@pytest.mark.parametrize(("text", "limit"), [("max\n", None), ("4294967296\n", 1 << 32)])
def test_a_containers_memory_limit_is_read(tmp_path, text, limit):
    (tmp_path / "memory.max").write_text(text)
    assert doctor.cgroup_limit(tmp_path / "memory.max") == limit
    assert doctor.cgroup_limit(tmp_path / "absent") is None


def test_a_broken_package_is_a_failure_with_its_error():
    finding = doctor.check_import("physics", "pybullet", Probe(1, "", "ImportError: odd"))
    assert finding.status == "fail" and finding.detail == "ImportError: odd"
    assert "pybullet" in finding.remedy


def test_output_that_does_not_exist_yet_is_judged_by_its_nearest_parent(tmp_path):
    assert doctor.existing_parent(tmp_path / "a" / "b") == tmp_path


def test_remedies_stand_under_their_findings():
    findings = [Finding("bpy", "ok", "bpy 4.5"), Finding("memory", "warn", "2 GiB", "less work")]
    assert doctor.render(findings).splitlines() == [
        "ok    bpy     bpy 4.5",
        "warn  memory  2 GiB",
        "              -> less work",
    ]


def test_this_machine_can_make_data(tmp_path):
    findings = doctor.diagnose(tmp_path / "run")
    assert [finding for finding in findings if finding.status == "fail"] == []
    assert {"python", "bpy", "HDF5 codecs", "physics"} <= {finding.name for finding in findings}
    json.dumps([asdict(finding) for finding in findings])
