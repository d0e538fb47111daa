"""The environment of the backend ``xla-cpu``: PyTorch 2.9 with PyTorch/XLA, which no other PyTorch can stand beside.

torch_xla 2.9.0 is the last release, is bound to the ABI of torch 2.9.0, and has wheels for Python 3.10 to 3.13 on Linux
x86_64 alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from porter.verify import stubs

TORCH, XLA = "torch==2.9.0", "torch_xla==2.9.0"
TORCH_NEEDS = ("filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions", "numpy")
XLA_NEEDS = ("absl-py", "pyyaml", "requests", "urllib3", "certifi", "idna", "charset_normalizer")
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 10))  # in the order of choice
GLIBC = (2, 28)
GB = 1e9
SIZES = {"stubs": 2.2 * GB, "plain": 7.1 * GB}  # bytes when done
DOWNLOADS = {"stubs": 1.1 * GB, "plain": 3.2 * GB}  # bytes beside that while it is being made
STATE = "porter.json"
LOG = "setup.log"
HEARTBEAT = 15.0  # seconds between signs of life

CHECK = """
import torch, torch_xla
device = torch_xla.device()
x = torch.ones(2, 2, device=device, requires_grad=True)
(x @ x).sum().backward()
torch_xla.sync()
assert x.grad.cpu().tolist() == [[4.0, 4.0], [4.0, 4.0]], x.grad
"""


FIND_LIBPYTHON = """
import ctypes, os, sys, sysconfig
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
folder = sysconfig.get_config_var("LIBDIR") or ""
try:
    ctypes.CDLL(name)
    print("found")
except OSError:
    print(folder if os.path.exists(os.path.join(folder, name)) else "missing")
"""


class SetupError(RuntimeError):
    """The environment cannot be built here. The message says why and what would help."""


class Step(NamedTuple):
    """Something to do once. ``name`` is its stamp."""

    name: str
    title: str
    do: Callable[[], object]


def default_folder() -> Path:
    """Where the environment is if nobody says otherwise: in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "porter" / "xla-cpu"


class XlaEnvironment:
    """The environment in a folder, built or not."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_folder()).absolute()
        self.python = self.folder / "venv" / "bin" / "python"

    def missing(self) -> str:
        """Why the environment cannot be used; empty where it can."""
        if "check" in self._state()["done"] and self.python.exists():
            return ""
        option = "" if self.folder == default_folder() else f" --env-dir {self.folder}"
        return f"no environment with torch_xla: `porter verify --setup xla-cpu{option}` builds it"

    def variables(self) -> Mapping[str, str]:
        """What processes of the environment need in theirs."""
        folder = self._state().get("library_path")
        if not folder:
            return {}
        return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, (folder, os.environ.get("LD_LIBRARY_PATH"))))}

    def setup(self, say: Callable[[str], None]) -> None:
        """Build the environment, or go on where an earlier attempt stopped. ``say`` is told of every step.

        Raises:
            SetupError: it cannot be built.
        """
        state = self._state()
        base = Path(state["base"]) if "venv" in state["done"] else choose_python()
        plan = state.get("plan") or ("plain" if stubs.missing_tools() else "stubs")
        if plan == "plain":
            say(
                f"without {' and '.join(stubs.missing_tools() or stubs.TOOLS)}, NVIDIA's libraries, which nothing uses,"
                " are installed as well: 7.1 GB instead of 2.2 GB"
            )
        self._check_space(plan, fresh=not state["done"])
        self.folder.mkdir(parents=True, exist_ok=True)
        self._note(plan=plan, base=str(base))
        steps = list(self._steps(plan, base, say))
        for number, step in enumerate(steps, 1):
            label = f"[{number}/{len(steps)}] {step.title}"
            if step.name in self._state()["done"]:
                say(f"{label}: done before")
                continue
            say(label)
            begin = time.monotonic()
            step.do()
            self._note(done=[*self._state()["done"], step.name])
            say(f"      {time.monotonic() - begin:.0f} s, {size(self.folder) / GB:.1f} GB")
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def _steps(self, plan: str, base: Path, say: Callable[[str], None]) -> Iterator[Step]:
        def pip(*arguments: str) -> Callable[[], object]:
            command: list[str | Path] = [
                self.python,
                "-m",
                "pip",
                "install",
                "--no-cache-dir",
                "--disable-pip-version-check",
                *arguments,
            ]
            return lambda: self._run(command, say)

        yield Step("libpython", "look for the shared library of Python", lambda: self._find_libpython(base))
        yield Step(
            "venv", f"virtual environment with {base}", lambda: self._run([base, "-m", "venv", "--clear", "venv"])
        )
        if plan == "plain":
            yield Step("torch", "torch 2.9.0 with NVIDIA's libraries (3.2 GB to fetch)", pip(TORCH, "numpy"))
        else:
            yield Step("torch", "torch 2.9.0 without NVIDIA's libraries (0.9 GB to fetch)", pip("--no-deps", TORCH))
            yield Step("needs", "what torch needs", pip(*TORCH_NEEDS))
            yield Step("stubs", "stand-ins for NVIDIA's libraries", self._make_stubs)
        yield Step("xla", "torch_xla 2.9.0 (0.1 GB to fetch)", pip("--no-deps", XLA, *XLA_NEEDS))
        yield Step("check", "train one step on XLA", lambda: self._run([self.python, "-c", CHECK]))

    def _find_libpython(self, base: Path) -> None:
        """torch_xla is linked to Python's shared library, which not every Python comes with."""
        found = self._run([base, "-c", FIND_LIBPYTHON])
        if found == "missing":
            raise SetupError(
                f"torch_xla needs the shared library of Python, without which {base} was built: install it"
                " (libpython3.11 or the like) with the system's packages, or run porter with another Python"
            )
        self._note(library_path="" if found == "found" else found)

    def _make_stubs(self) -> None:
        (library,) = (self.folder / "venv" / "lib").glob("python3.*/site-packages/torch/lib")
        try:
            stubs.build(library)
        except stubs.StubError as error:
            raise SetupError(str(error)) from error

    def _check_space(self, plan: str, *, fresh: bool) -> None:
        needed = (SIZES[plan] if fresh else 0) + DOWNLOADS[plan]
        place = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        if (free := shutil.disk_usage(place).free) < needed:
            raise SetupError(
                f"{self.folder} needs {needed / GB:.1f} GB while it is being made, and {free / GB:.1f} GB are free:"
                " choose another place with --env-dir"
            )

    def _run(self, command: Sequence[str | Path], say: Callable[[str], None] = lambda line: None) -> str:
        """Run a command in the folder with signs of life; return what it printed. Raises SetupError."""
        temporary = self.folder / "tmp"  # on the disk whose space was looked at
        temporary.mkdir(exist_ok=True)
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        variables |= {"TMPDIR": str(temporary), "PJRT_DEVICE": "CPU", **self.variables()}
        with (self.folder / LOG).open("a+", encoding="utf-8", errors="replace") as log:
            print("$", *command, file=log, flush=True)
            begin = log.tell()
            process = subprocess.Popen(
                [str(part) for part in command], cwd=self.folder, env=variables, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                while process.poll() is None:
                    try:
                        process.wait(HEARTBEAT)
                    except subprocess.TimeoutExpired:
                        say(f"      {size(self.folder) / GB:.1f} GB so far")
            finally:
                process.kill()
                process.wait()
            log.seek(begin)
            printed = log.read().strip()
        if process.returncode:
            raise SetupError(
                f"`{' '.join(map(str, command))}` failed:\n{printed[-2000:]}\n"
                f"The whole story is in {self.folder / LOG}; the next attempt goes on from here."
            )
        return printed

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            state = {}
        return {"done": [], **(state if isinstance(state, dict) else {})}

    def _note(self, **changes: Any) -> None:
        """Remember something beyond this process, whole or not at all."""
        fresh = self.folder / f"{STATE}.tmp"
        fresh.write_text(json.dumps({**self._state(), **changes}), encoding="utf-8")
        fresh.replace(self.folder / STATE)


def choose_python() -> Path:
    """A Python that torch_xla has wheels for: this one, or the first that is installed.

    Raises:
        SetupError: there is none, or the machine is of another kind than the wheels.
    """
    libc, version = platform.libc_ver()
    if sys.platform != "linux" or platform.machine() != "x86_64" or libc != "glibc":
        raise SetupError(
            f"torch_xla 2.9.0 exists for Linux on x86_64 with glibc alone, and this is {platform.system()} on"
            f" {platform.machine()}; run this in a container, or leave the backend xla-cpu out"
        )
    if tuple(map(int, version.split(".")[:2])) < GLIBC:
        raise SetupError(f"torch_xla 2.9.0 needs glibc {GLIBC[0]}.{GLIBC[1]}, and this machine has {version}")
    if sys.version_info[:2] in PYTHONS:
        return Path(sys.executable)
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found and _has_venv(found):
            return Path(found)
    raise SetupError(
        f"torch_xla 2.9.0 has wheels for Python 3.10 to 3.13, this is {platform.python_version()}, and none of those is"
        " on the PATH: install one of them"
    )


def _has_venv(python: str) -> bool:
    return subprocess.run([python, "-c", "import venv, ensurepip"], check=False, capture_output=True).returncode == 0


def size(folder: Path) -> int:
    """Bytes in the files of a folder, which may come and go meanwhile."""
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(place) / file).lstat().st_size
    return total
