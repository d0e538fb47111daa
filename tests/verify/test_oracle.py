"""A frozen oracle is used again only if nothing has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from porter.verify import oracle
from porter.verify.cases import FactoryCase, Suite, parse

pytest.importorskip("torch", reason="porter verify needs torch")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    for name in (
        "original/model.py",
        "original/settings.yaml",
        "original/data.bin",
        "port/model.py",
        "porter_cases.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    folders = {name: tmp_path / name for name in ("original", "port", "oracle")}
    return Suite("suite", tmp_path, **folders, cases=(case_(),))


def case_(**settings: Any) -> FactoryCase:
    case = parse("a case", {"factory": "porter_cases.py", **settings})
    assert isinstance(case, FactoryCase)
    return case


def freeze(suite: Suite, case: FactoryCase) -> dict[str, Any]:
    def compute(out: Path) -> dict[str, Any]:
        (out / "results.pt").write_bytes(b"numbers")
        (out / "stdout.txt").write_text("noise", encoding="utf-8")
        return {"losses": {"loss": [1.0, 0.5]}}

    return oracle.freeze(oracle.folder_of(suite, case), oracle.expected(suite, case), compute)


def thaw(suite: Suite, case: FactoryCase) -> dict[str, Any] | None:
    return oracle.thaw(oracle.folder_of(suite, case), oracle.expected(suite, case))


def test_what_was_frozen_comes_back(suite: Suite) -> None:
    case = case_()
    assert thaw(suite, case) is None
    manifest = freeze(suite, case)
    assert thaw(suite, case) == manifest
    assert sorted(manifest["sources"]) == ["original/model.py", "original/settings.yaml", "porter_cases.py"]
    assert [file.name for file in sorted(oracle.folder_of(suite, case).iterdir())] == ["manifest.json", "results.pt"]


def test_what_the_original_does_not_depend_on_may_change(suite: Suite) -> None:
    freeze(suite, case_())
    (suite.port / "model.py").write_text("other", encoding="utf-8")
    (suite.original / "data.bin").write_text("other", encoding="utf-8")
    assert thaw(suite, case_(tolerance={"loss": 0.1}, timeout=5, backends=["sim"])) is not None


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("original/model.py", "source `original/model.py` has changed"),
        ("original/new.py", "source `original/new.py` is new"),
        ("porter_cases.py", "source `porter_cases.py` has changed"),
        ("oracle/{case}/results.pt", "results.pt was changed after freezing"),
    ],
)
def test_changed_files(suite: Suite, file: str, message: str) -> None:
    freeze(suite, case_())
    changed = suite.root / file.format(case=oracle.folder_of(suite, case_()).name)
    changed.write_text("tampered", encoding="utf-8")
    with pytest.raises(oracle.Refused, match=message):
        thaw(suite, case_())


def test_a_lost_file(suite: Suite) -> None:
    freeze(suite, case_())
    (oracle.folder_of(suite, case_()) / "results.pt").unlink()
    with pytest.raises(oracle.Refused, match=r"results\.pt is missing"):
        thaw(suite, case_())


@pytest.mark.parametrize("settings", [{"seed": 1}, {"steps": 6}, {"precision": "bfloat16"}, {"cuda_on_cpu": True}])
def test_other_settings(suite: Suite, settings: dict[str, Any]) -> None:
    freeze(suite, case_())
    (name,) = settings
    with pytest.raises(oracle.Refused, match=f"setting `{name}` was"):
        thaw(suite, case_(**settings))


def test_another_pytorch(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(suite, case_())
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9.9")
    with pytest.raises(oracle.Refused, match=r"version of `torch` was .*, is 9\.9\.9"):
        thaw(suite, case_())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', "{"])
def test_a_manifest_that_is_none(suite: Suite, text: str) -> None:
    freeze(suite, case_())
    (oracle.folder_of(suite, case_()) / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(oracle.Refused):
        thaw(suite, case_())


def test_numbers_that_were_improved_in_the_manifest(suite: Suite) -> None:
    freeze(suite, case_())
    file = oracle.folder_of(suite, case_()) / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    manifest["answer"]["losses"]["loss"][1] = 0.4
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(oracle.Refused, match=r"manifest\.json was changed after freezing"):
        thaw(suite, case_())


def test_a_failed_computation_leaves_the_old_oracle(suite: Suite) -> None:
    freeze(suite, case_())

    def fail(out: Path) -> dict[str, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        oracle.freeze(oracle.folder_of(suite, case_()), oracle.expected(suite, case_()), fail)
    assert thaw(suite, case_()) is not None
    assert [folder.name for folder in suite.oracle.iterdir()] == [oracle.folder_of(suite, case_()).name]


def test_names_that_are_alike_have_folders_of_their_own(suite: Suite) -> None:
    names = ("a/b", "a b", "a-b", "../a-b")
    folders = {oracle.folder_of(suite, parse(name, {"factory": "x.py"})) for name in names}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {suite.oracle}
