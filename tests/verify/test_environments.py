"""Building the environment of xla-cpu: the stand-in libraries, and the refusals. `make xla` builds it for real."""

from __future__ import annotations

import ctypes
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from porter.verify import environments, stubs
from porter.verify.environments import SetupError, XlaEnvironment, choose_python

needs_tools = pytest.mark.skipif(
    sys.platform != "linux" or bool(stubs.missing_tools()), reason="needs gcc and binutils on Linux"
)

# A library that needs NVIDIA's as PyTorch does: with versions that are the library's name, with others, and without.
USER = """
extern int cudaGetDeviceCount(int *); extern const char *cudaGetErrorString(int);
extern long cublasCreate_v2(void *); extern long ncclCommAbort(void *); extern long nvshmem_malloc(long);
int devices(void) { int n = 7; int status = cudaGetDeviceCount(&n); return status * 10 + n; }
const char *message(void) { return cudaGetErrorString(1); }
long others(void) { return cublasCreate_v2(0) + ncclCommAbort(0) + nvshmem_malloc(1); }
"""
LIBRARIES = {
    "libcudart.so.12": (
        "int cudaGetDeviceCount(int *n) {} const char *cudaGetErrorString(int e) {}",
        "libcudart.so.12",
    ),
    "libcublas.so.12": ("long cublasCreate_v2(void *p) {}", "libcublas.so.12"),
    "libnccl.so.2": ("long ncclCommAbort(void *p) {}", ""),
    "libnvshmem_host.so.3": ("long nvshmem_malloc(long n) {}", "NVSHMEM"),
}


def gcc(folder: Path, *arguments: str) -> None:
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", *arguments], cwd=folder, check=True)


@needs_tools
def test_stand_ins_satisfy_what_a_library_needs(tmp_path: Path) -> None:
    built, lib = tmp_path / "nvidia", tmp_path / "lib"
    built.mkdir()
    lib.mkdir()
    for name, (code, version) in LIBRARIES.items():
        (built / "code.c").write_text(code, encoding="ascii")
        (built / "versions").write_text(f"{version} {{ global: *; }};", encoding="ascii")
        script = ["-Wl,--version-script=versions"] if version else []
        gcc(built, f"-Wl,-soname,{name}", *script, "-o", name, "code.c")
    (built / "user.c").write_text(USER, encoding="ascii")
    gcc(built, "-Wl,-rpath,$ORIGIN", "-o", str(lib / "libtorch_cuda.so"), "user.c", *LIBRARIES)
    shutil.rmtree(built)
    with pytest.raises(OSError, match="cannot open shared object file"):
        ctypes.CDLL(str(lib / "libtorch_cuda.so"))

    assert stubs.build(lib) == sorted(LIBRARIES)

    user = ctypes.CDLL(str(lib / "libtorch_cuda.so"))
    assert user.devices() == stubs.NO_DEVICE * 10 + 0
    user.message.restype = ctypes.c_char_p
    assert b"stand-in" in user.message()
    assert user.others() == 3 * stubs.NO_DEVICE
    assert sorted(file.name for file in lib.iterdir()) == sorted([*LIBRARIES, "libtorch_cuda.so"])
    assert stubs.build(lib) == [], "what is there stays"


@needs_tools
def test_a_broken_library_is_reported(tmp_path: Path) -> None:
    (tmp_path / "libtorch_cuda.so").write_text("no library", encoding="ascii")
    with pytest.raises(stubs.StubError, match="`readelf` failed"):
        stubs.build(tmp_path)


@pytest.mark.parametrize(
    ("system", "machine", "message"),
    [("darwin", "arm64", "Linux on x86_64"), ("linux", "aarch64", "Linux on x86_64"), ("win32", "AMD64", "Linux on")],
)
def test_other_machines_are_refused(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, message: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(SetupError, match=message):
        choose_python()


def on_linux(monkeypatch: pytest.MonkeyPatch, libc: tuple[str, str] = ("glibc", "2.36")) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)


@pytest.mark.parametrize(("libc", "message"), [(("glibc", "2.17"), "needs glibc 2.28"), (("", ""), "with glibc alone")])
def test_other_c_libraries_are_refused(monkeypatch: pytest.MonkeyPatch, libc: tuple[str, str], message: str) -> None:
    on_linux(monkeypatch, libc)
    with pytest.raises(SetupError, match=message):
        choose_python()


class Version(NamedTuple):
    major: int
    minor: int


def test_a_python_without_wheels_looks_for_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_linux(monkeypatch)
    monkeypatch.setattr(sys, "version_info", Version(3, 14))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match=r"wheels for Python 3\.10 to 3\.13"):
        choose_python()
    for name, status in (("python3.11", 1), ("python3.12", 0)):  # the first is a version manager's empty promise
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    assert choose_python() == tmp_path / "python3.12"


def test_too_little_space_is_said_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_linux(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**12, 0, 10**9))  # type: ignore[attr-defined]
    monkeypatch.setattr(environments, "choose_python", lambda: Path(sys.executable))
    with pytest.raises(SetupError, match=r"and 1\.0 GB are free"):
        XlaEnvironment(tmp_path / "env").setup(print)
    assert not (tmp_path / "env").exists()


def test_without_a_compiler_the_size_is_announced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stubs, "missing_tools", lambda: ["gcc"])
    monkeypatch.setattr(environments, "choose_python", lambda: Path(sys.executable))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**12, 0, 0))  # type: ignore[attr-defined]
    said: list[str] = []
    with pytest.raises(SetupError, match=r"needs 10\.3 GB"):
        XlaEnvironment(tmp_path / "env").setup(said.append)
    assert "7.1 GB instead of 2.2 GB" in said[0]


def test_a_step_that_failed_is_where_the_next_attempt_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environments, "choose_python", lambda: Path(sys.executable))
    environment = XlaEnvironment(tmp_path / "env")
    done: list[str] = []

    def steps(broken: bool) -> None:
        def fail() -> None:
            environment._run([sys.executable, "-c", "print('no network'); exit(3)"])

        plan = [
            environments.Step("venv", "first", lambda: done.append("venv")),
            environments.Step("check", "second", fail if broken else lambda: done.append("check")),
        ]
        monkeypatch.setattr(environment, "_steps", lambda *_: iter(plan))

    steps(broken=True)
    with pytest.raises(SetupError, match=r"(?s)no network.*the next attempt goes on from here"):
        environment.setup(print)
    assert "setup xla-cpu" in environment.missing()
    steps(broken=False)
    said: list[str] = []
    environment.setup(said.append)
    assert done == ["venv", "check"]
    assert said[0] == "[1/2] first: done before"
    assert json.loads((tmp_path / "env" / "porter.json").read_text())["done"] == ["venv", "check"]
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    assert environment.missing() == ""


def test_the_environment_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert XlaEnvironment().folder == tmp_path / "porter" / "xla-cpu"
