"""A file that takes too long is reported, and the run goes on."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter import engine
from porter.config import ConfigError, Settings, load
from porter.index import share
from porter.index.nesting import Nesting
from porter.index.site import Site
from porter.limit import TooSlow, limited

SLOW = "import torch\n\nx = [" + '"cuda", ' * 20_000 + "]\n"
QUICK = 'import torch\n\nd = torch.device("cuda")\n'


def _loop() -> None:
    while True:
        pass


def _regular_expression() -> None:
    re.match(r"(a+)+$", "a" * 50 + "b")


def _swallow() -> None:
    while True:
        with suppress(Exception):
            _loop()


def _stopped(act: Callable[[], None]) -> bool:
    before = time.process_time()
    try:
        with limited(0.1):
            act()
    except TooSlow:
        return time.process_time() - before < 5
    return False


@pytest.mark.parametrize("act", [_loop, _swallow, _regular_expression], ids=lambda act: act.__name__)
def test_what_does_not_end_is_stopped(act: Callable[[], None]) -> None:
    assert _stopped(act)


@pytest.mark.parametrize("act", [_loop, _swallow], ids=lambda act: act.__name__)
def test_what_does_not_end_is_stopped_on_any_thread(act: Callable[[], None]) -> None:
    said: list[bool] = []
    thread = threading.Thread(target=lambda: said.append(_stopped(act)))
    thread.start()
    thread.join(30)
    assert said == [True]


def test_time_that_others_take_is_not_counted() -> None:
    with limited(0.1):
        time.sleep(0.3)


def test_nothing_comes_after_the_end() -> None:
    def quick() -> None:
        for _ in range(50):
            with pytest.raises(ZeroDivisionError), limited(0.001):
                1 / 0  # noqa: B018

    quick()
    thread = threading.Thread(target=quick)
    thread.start()
    thread.join()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass


@pytest.fixture
def _tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("slow.py").write_text(SLOW)
    Path("quick.py").write_text(QUICK)


def _settings(seconds: float, **more: object) -> Settings:
    return load(isolated=True, overrides={"seconds_per_file": seconds, **more})


@pytest.mark.usefixtures("_tree")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_slow_file_is_a_finding_and_an_error(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_FEW", 1)
    monkeypatch.setattr(share, "_SMALL", 1)
    for _ in range(2):  # the second time from the cache
        report = engine.run(["."], _settings(0.05, jobs=jobs))
        assert [(f.path, f.code) for f in report.findings] == [("quick.py", "PRT101"), ("slow.py", "PRT001")]
        [problem] = report.problems
        assert problem.message.startswith("takes more than 0.05 s and was left out")
        assert "`seconds-per-file`" in problem.message
    assert not engine.run(["."], _settings(0)).problems, "another limit is another run"


@pytest.mark.usefixtures("_tree")
def test_a_slow_judge_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _hold(monkeypatch, "porter.judge.ordered")
    report = engine.run(["."], _settings(0.2, exclude=("slow.py",)))
    assert [(f.path, f.code) for f in report.findings] == [("quick.py", "PRT001")]


@pytest.mark.usefixtures("_tree")
def test_a_file_that_is_slow_to_rewrite_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.py").write_text(QUICK)
    _hold(monkeypatch, "porter.rewrite.apply.prove")
    result = engine.rewrite(["."], _settings(0.2, exclude=("slow.py",)))
    assert [(file.path, file.after == file.before, len(file.dropped)) for file in result.files] == [
        ("other.py", False, 0),
        ("quick.py", True, 1),
    ]
    assert [problem.path for problem in result.report.problems] == ["quick.py"]


def _hold(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have a function never return for quick.py."""
    module, _, function = name.rpartition(".")
    original = getattr(__import__(module, fromlist=["_"]), function)

    def held(source: object, *rest: object) -> object:
        if getattr(source, "path", "") == "quick.py":
            _loop()
        return original(source, *rest)

    monkeypatch.setattr(name, held)


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "x"])
def test_what_is_no_limit(seconds: object) -> None:
    with pytest.raises(ConfigError, match="seconds-per-file"):
        load(isolated=True, overrides={"seconds_per_file": seconds})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), max_size=8), st.integers(0, 12), st.integers(0, 12))
def test_nesting_is_what_looking_at_all_sites_says(places: list[tuple[int, int]], start: int, end: int) -> None:
    sites = [Site("symbol", "x", at, at + length, 1) for at, length in places]
    nesting = Nesting(sites)
    inside = [s for s in sites if start <= s.start and s.end <= end]
    assert _ids(nesting.within(start, end)) == _ids(inside)
    for site in sites:
        holding = [o for o in sites if o is not site and o.start <= site.start and site.end <= o.end]
        assert _ids(nesting.around(site)) == _ids(holding)


def _ids(sites: object) -> list[int]:
    return sorted(map(id, sites))  # type: ignore[call-overload, no-any-return]


def test_the_limit_costs_next_to_nothing() -> None:
    begin = os.times().user
    for _ in range(1000):
        with limited(30):
            pass
    assert os.times().user - begin < 0.5
