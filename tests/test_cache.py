"""The cache: what it saves, and that it is never wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import porter
from porter import cache as caching
from porter import catalog, engine
from porter.config import Settings, load
from porter.engine import Report
from porter.index import share
from porter.sources import decode

FILES = {
    "train.py": "import torch\n\nmodel = torch.nn.Linear(1, 1).cuda()\n",
    "utils.py": "import torch\n\n\ndef f():\n    torch.cuda.synchronize()\n",
    "plain.py": "x = 1\n",
}
ROW = """\
title = "ours"
checked = {{}}

[[row]]
name = "ours.fast"
kind = "symbol"
rule = "cuda-only-package"
summary = "{summary}"
neuron = {{ verdict = "manual", advice = "write it anew" }}
portable = {{ verdict = "manual", advice = "write it anew" }}
xla = {{ verdict = "manual", advice = "write it anew" }}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that are analysed, as they are."""
    names: list[str] = []
    real = share.analyse

    def noting(task: share.Task, through: object) -> share.Facts:
        names.append(task.display)
        return real(task, through)  # type: ignore[arg-type]

    monkeypatch.setattr(share, "analyse", noting)
    yield names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are old enough to be known by their times."""
    monkeypatch.setattr(caching, "_FRESH", 0)


def settings(**overrides: object) -> Settings:
    return load(Path.cwd(), isolated=True, overrides={"jobs": 1, **overrides})


def check(audit: bool = False, **overrides: object) -> Report:
    return engine.run(["."], settings(**overrides), audit=audit)


def told(report: Report) -> tuple[object, ...]:
    """All of a report but the time it took."""
    return report.findings, report.problems, report.files, report.lines, report.dismissed


def uncached(audit: bool = False, **overrides: object) -> tuple[object, ...]:
    return told(check(audit, cache=False, **overrides))


def stored() -> list[Path]:
    return [path for path in Path(".porter_cache").rglob("*") if path.is_file()]


# -- what it saves -----------------------------------------------------------------------------


def test_nothing_changed_is_nothing_looked_at(looked: list[str]) -> None:
    first = check()
    assert sorted(looked) == sorted(FILES)
    looked.clear()
    assert told(check()) == told(first)
    assert looked == []


@pytest.mark.usefixtures("settled")
def test_nothing_changed_is_nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    first = check()

    def forbidden(*_: object) -> bytes:
        raise AssertionError("a file is read")

    monkeypatch.setattr(decode, "read_bytes", forbidden)
    assert told(check()) == told(first)


def test_a_warm_run_needs_neither_rules_nor_catalogue() -> None:
    probe = "import sys\nfrom porter.cli import main\nmain(sys.argv[1:])\nprint(*sorted(sys.modules))"
    command = [sys.executable, "-c", probe, "check", "--isolated", "--format", "concise"]
    environment = {**os.environ, "PYTHONPATH": str(Path(porter.__file__).parents[1])}
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    *_, modules = done.stdout.splitlines()
    assert "train.py:3:" in done.stdout
    assert not {"porter.rules", "porter.catalog", "porter.index.build", "libcst"} & set(modules.split())


def change() -> None:
    Path("train.py").write_text("import torch\n\ntorch.cuda.empty_cache()\n", encoding="utf-8")


def change_unseen() -> None:
    """The same size and the same time of last change."""
    file = Path("train.py")
    before = file.stat()
    file.write_text(FILES["train.py"].replace("cuda", "half"), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def touch() -> None:
    os.utime("train.py", (1, 1))


def add() -> None:
    Path("new.py").write_text(FILES["train.py"], encoding="utf-8")


def rename() -> None:
    Path("train.py").rename("renamed.py")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("act", "again"),
    [
        (change, ["train.py"]),
        (change_unseen, ["train.py"]),
        (touch, []),
        (add, ["new.py"]),
        (rename, ["renamed.py"]),
        (lambda: Path("train.py").unlink(), []),
    ],
    ids=["changed", "changed-unseen", "touched", "added", "renamed", "removed"],
)
def test_only_what_changed_is_looked_at(act: Callable[[], None], again: list[str], looked: list[str]) -> None:
    check()
    time.sleep(0.02)  # the clock of the file system is that coarse
    act()
    looked.clear()
    warm = check()
    assert looked == again
    assert told(warm) == uncached()


@pytest.mark.usefixtures("settled")
def test_a_file_that_others_ask_about_is_looked_at_once(looked: list[str]) -> None:
    """What class `Net` is, stands in a file without a word of CUDA."""
    Path("net.py").write_text("from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n", encoding="utf-8")
    uses = "from net import Net\n\nmodel = Net().cuda()\n"
    Path("train.py").write_text(uses, encoding="utf-8")
    first = check()
    assert "torch.nn.Module.cuda" in {finding.symbol for finding in first.findings}
    assert sorted(looked) == ["net.py", "net.py", "net.py", "plain.py", "train.py", "utils.py"]  # imports, then classes
    time.sleep(0.02)
    looked.clear()
    Path("train.py").write_text(f"{uses}\n", encoding="utf-8")
    assert told(check()) == uncached()
    assert looked[0] == "train.py"
    assert looked[1:] == ["net.py", "plain.py", "train.py", "utils.py", "net.py", "net.py"]  # the run without a cache


def test_processes_and_cache_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_FEW", 1)
    monkeypatch.setattr(share, "_SMALL", 1)
    shared = check(jobs=2)
    assert told(shared) == told(check(jobs=1)) == uncached()


# -- that it is not wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        {"select": ("PRT102",)},
        {"ignore": ("PRT1",)},
        {"target": "xla"},
        {"per_file_ignores": {"train.py": ("ALL",)}},
        {"extend_exclude": ("train.py",)},
        {"test_paths": ("train.py",)},
        {"audit": True},
    ],
    ids=lambda overrides: next(iter(overrides)),
)
def test_other_settings_are_another_run(overrides: dict[str, object]) -> None:
    plain = told(check())
    assert told(check(**overrides)) == uncached(**overrides)  # type: ignore[arg-type]
    assert told(check()) == plain


def test_another_folder_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    here = settings()
    Path("sub").mkdir()
    engine.run(["."], here)
    monkeypatch.chdir("sub")
    assert {finding.path for finding in engine.run([".."], here).findings} == {"../train.py", "../utils.py"}


def test_a_changed_catalogue_is_another_run() -> None:
    file = Path("ours.toml")
    Path("train.py").write_text("from ours import fast\n\nfast()\n", encoding="utf-8")
    seen = []
    for summary in ("is one thing", "is another"):
        file.write_text(ROW.format(summary=summary), encoding="utf-8")
        catalog._load.cache_clear()  # as in another process
        share.lens.cache_clear()
        seen.append(" ".join(finding.message for finding in check(catalogue=("ours.toml",)).findings))
    assert "is one thing" in seen[0]
    assert "is another" in seen[1]


def test_another_porter_starts_anew(monkeypatch: pytest.MonkeyPatch, looked: list[str]) -> None:
    check()
    looked.clear()
    monkeypatch.setattr(caching, "_identity", lambda version: b"another")
    check()
    assert sorted(looked) == sorted(FILES)


def test_a_file_changed_in_place_makes_another_porter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "installed"
    for name in ("__init__.py", "rules/rule.py", "catalog/rows.toml", "__pycache__/rule.pyc"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("1", encoding="utf-8")
    monkeypatch.setattr(porter, "__file__", str(package / "__init__.py"))
    before = caching._identity("1.0")
    assert caching._identity("1.1") != before
    (package / "__pycache__" / "rule.pyc").write_text("22", encoding="utf-8")
    assert caching._identity("1.0") == before
    for name in ("rules/rule.py", "catalog/rows.toml"):
        (package / name).write_text("22", encoding="utf-8")
        assert caching._identity("1.0") != before
        before = caching._identity("1.0")


def corruptions(raw: bytes) -> Iterator[bytes]:
    yield b""
    yield raw[:10]
    yield raw[: len(raw) // 2]
    yield raw + b"\0"
    yield raw.replace(b"cuda", b"coda")
    yield bytes([raw[0] ^ 1]) + raw[1:]
    yield raw[:-1] + bytes([raw[-1] ^ 1])
    yield b"no MessagePack at all"


@pytest.mark.usefixtures("settled")
def test_what_is_damaged_is_ignored() -> None:
    first = told(check())
    files = {path: path.read_bytes() for path in stored()}
    assert {path.name.partition("-")[0] for path in files} >= {"stamps", "facts", "report"}
    for n in range(8):
        for path, raw in files.items():
            path.write_bytes(list(corruptions(raw))[n])
        assert told(check()) == first
        assert told(check()) == first


def test_it_may_be_deleted_at_any_time() -> None:
    first = told(check())
    shutil.rmtree(".porter_cache")
    assert told(check()) == first


def test_a_young_file_is_not_known_by_its_times(looked: list[str]) -> None:
    """It may change again, and keep size and times where these are coarse."""
    check()
    assert {stamp.size for stamp in caching.Cache(settings())._known.values()} == {-1}
    looked.clear()
    check()
    assert looked == []


# -- other runs --------------------------------------------------------------------------------


def test_runs_at_the_same_time() -> None:
    for i in range(20):
        Path(f"m{i}.py").write_text(FILES["train.py"] + f"# {i}\n", encoding="utf-8")
    command = [sys.executable, "-m", "porter", "check", "--isolated", "--format", "concise", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(Path(porter.__file__).parents[1])}

    def start(*paths: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*command, *paths], stdout=subprocess.PIPE, text=True, env=environment)

    halves = [f"m{i}.py" for i in range(10)], [f"m{i}.py" for i in range(10, 20)]
    running = [start(*paths) for paths in (*halves, *halves, ["."])]
    running[1].kill()
    outputs = [process.communicate()[0] for process in running]
    assert outputs[0] == outputs[2] != ""
    assert outputs[3] != outputs[0]
    assert start(".").communicate()[0] == outputs[4]
    assert told(check()) == uncached()


def test_what_a_killed_run_leaves_is_cleared() -> None:
    check()
    folder = stored()[-1].parent
    abandoned, recent = folder / ".stamps.1.1", folder / ".stamps.2.2"
    for file in (abandoned, recent):
        file.write_bytes(b"half")
    os.utime(abandoned, (1, 1))
    check(select=("PRT1",))
    assert not abandoned.exists()
    assert recent.exists()


def test_it_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MOST_BYTES", 0)
    for i in range(12):
        Path("train.py").write_text(FILES["train.py"] + f"# {i}\n" * 100, encoding="utf-8")
        check()
        check(select=(f"PRT{1 + i % 8}",))
    names = [path.name for path in stored()]
    for prefix, most in caching.MOST_FILES.items():
        assert sum(name.startswith(prefix) for name in names) == most
    (facts,) = [path for path in stored() if path.name == newest("facts-")]
    assert facts.stat().st_size < 5000  # those of one version of each file


def newest(prefix: str) -> str:
    return max((path.stat().st_mtime_ns, path.name) for path in stored() if path.name.startswith(prefix))[1]


def test_facts_of_other_paths_are_kept(looked: list[str]) -> None:
    engine.run(["train.py"], settings())
    engine.run(["utils.py"], settings())
    looked.clear()
    engine.run(["train.py", "utils.py"], settings())
    assert looked == []


# -- where it is -------------------------------------------------------------------------------


def test_it_says_what_it_is() -> None:
    check()
    assert Path(".porter_cache/.gitignore").read_text() == "*\n"
    assert Path(".porter_cache/CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_without_it_nothing_is_written() -> None:
    uncached()
    assert not Path(".porter_cache").exists()


def test_where_nothing_can_be_written_all_works() -> None:
    assert told(check(cache_dir="plain.py/cache")) == uncached()
    assert Path("plain.py").read_text(encoding="utf-8") == FILES["plain.py"]


def test_a_rewrite_leaves_its_result_known(looked: list[str]) -> None:
    """Its proof looks at the rewritten files: the next check need not."""
    for change in engine.rewrite(["."], settings()).files:
        Path(change.path).write_bytes(change.after)
    looked.clear()
    check()
    assert looked == []


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take names in UTF-8 only")
def test_a_name_that_is_no_text_keeps_nothing_else_out() -> None:
    for _ in range(2):
        Path(os.fsdecode(b"odd\xff.py")).write_text(FILES["train.py"], encoding="utf-8")
        report = engine.run((".",), load(isolated=True))
        assert [finding.path for finding in report.findings] == ["odd\ufffd.py", "train.py", "utils.py"]
    assert list(Path(".porter_cache").glob("*/stamps"))
