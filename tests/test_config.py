"""Settings: found, read strictly, merged with options; and the selectors and patterns in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from porter.config import DEFAULT_EXCLUDE, ConfigError, Settings, check_selectors, load, specificity
from porter.rules.base import Rule


def rule(code: str, name: str, default: bool = True) -> Rule:
    return Rule(code, name, lambda site, row, ctx: None, "porter.rules", default)  # type: ignore[arg-type,return-value]


METHOD = rule("PRT102", "cuda-method")
STREAM = rule("PRT203", "cuda-stream")
SYNC = rule("PRT901", "host-sync-in-loop", default=False)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def error(*arguments: Any, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*arguments, **options)
    return str(caught.value)


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.target, settings.select, settings.exclude) == ("neuron", None, DEFAULT_EXCLUDE)
    assert settings.root == str(Path.cwd())


def test_every_key(tmp_path: Path) -> None:
    write(
        tmp_path / "pyproject.toml",
        """
        [tool.porter]
        target = "xla"
        select = ["PRT1", "cuda-stream"]
        ignore = ["PRT102"]
        extend-select = ["PRT9"]
        exclude = ["a"]
        extend-exclude = ["b"]
        force-exclude = true
        catalogue = ["rows.toml"]
        test-paths = ["spec/"]
        output-format = "json"
        jobs = 2
        cache-dir = "cache"
        [tool.porter.per-file-ignores]
        "tests/*" = ["PRT1"]
        """,
    )
    assert load(tmp_path) == Settings(
        target="xla",
        select=("PRT1", "cuda-stream"),
        ignore=("PRT102",),
        extend_select=("PRT9",),
        exclude=("a",),
        extend_exclude=("b",),
        force_exclude=True,
        per_file_ignores={"tests/*": ("PRT1",)},
        catalogue=(str(tmp_path / "rows.toml"),),
        test_paths=("spec/",),
        output_format="json",
        jobs=2,
        cache_dir=str(tmp_path / "cache"),
        root=str(tmp_path),
    )


def test_the_nearest_file_that_configures_porter_counts(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.porter]\njobs = 1\n")
    write(tmp_path / "a/pyproject.toml", "[project]\nname = 'porter-user'\n")
    assert load(tmp_path / "a/b").jobs == 1
    write(tmp_path / "a/porter.toml", "jobs = 2\n")
    assert load(tmp_path / "a/b.py").jobs == 2
    assert load(tmp_path / "a").root == str(tmp_path / "a")


def test_a_broken_pyproject_without_porter_is_none_of_our_business(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.ruff\n")
    assert load(tmp_path) == load(isolated=True)


def test_isolated_and_explicit_files(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool.porter]\njobs = 1\n")
    own = write(tmp_path / "strict.toml", "jobs = 3\n")
    nested = write(tmp_path / "nested.toml", "[tool.porter]\njobs = 4\n")
    assert load(tmp_path, isolated=True).jobs == 0
    assert load(tmp_path, own).jobs == 3
    assert load(tmp_path, nested).jobs == 4


def test_options_replace_or_extend(tmp_path: Path) -> None:
    write(tmp_path / "porter.toml", 'select = ["PRT1"]\nextend-select = ["PRT9"]\nextend-exclude = ["a"]\njobs = 1\n')
    given = {"select": ("PRT2",), "extend_select": ("PRT3",), "extend_exclude": ["b"], "jobs": None}
    settings = load(tmp_path, overrides=given)
    assert settings.select == ("PRT2",)
    assert settings.extend_select == ("PRT9", "PRT3")
    assert settings.extend_exclude == ("a", "b")
    assert settings.jobs == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ignor = []", "unknown key `ignor`; did you mean `ignore`?"),
        ("extend_select = []", "unknown key `extend_select`; did you mean `extend-select`?"),
        ("root = '.'", "unknown key `root`; known are baseline, baseline-strict, cache, cache-dir"),
        ("jobs = 'many'", "`jobs`: expected `int`, got `str`"),
        ("target = 'cuda'", "`target`: invalid enum value 'cuda'"),
        ("select = 'PRT1'", "`select`: expected `list`, got `str`"),
        ("select = [1]", "`select[0]`: expected `str`, got `int`"),
        ("per-file-ignores = {a = 'PRT1'}", "`per-file-ignores[...]`: expected `list`, got `str`"),
        ("jobs = -1", "`jobs`: expected `int` >= 0"),
        ("min-torch = '2.5'", "`min-torch`: `2.6`, the first release with torch.accelerator, or a later one"),
        ("min-torch = 'new'", "`min-torch`: `2.6`, the first release with torch.accelerator, or a later one"),
        ("min-torch = 2.9", "`min-torch`: expected `str`, got `float`"),
        ("a = 1\njobs = = 2", "is not valid TOML: Invalid value (at line 2, column 8)"),
    ],
)
def test_wrong_settings_name_file_key_and_remedy(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path / "porter.toml", text)
    message = error(tmp_path)
    assert message.startswith(f"{file}: ")
    assert words in message


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    assert "no such file" in error(tmp_path, tmp_path / "gone.toml")
    assert "not a regular file" in error(tmp_path, tmp_path)
    assert "has no [tool.porter]" in error(tmp_path, write(tmp_path / "pyproject.toml", "[tool.porterhouse]\n"))
    assert "`tool.porter` is not a table" in error(write(tmp_path / "pyproject.toml", "tool.porter = 1\n"))
    (tmp_path / "pyproject.toml").write_bytes(b"# porter \xff\n")
    assert "is not valid TOML" in error(tmp_path)


def test_wrong_options_are_named(tmp_path: Path) -> None:
    assert error(tmp_path, overrides={"target": "tpu"}).startswith("command line: `target`")


# -- selecting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("ALL", 1), ("PRT", 4), ("PRT1", 5), ("PRT10", 6), ("PRT102", 8), ("cuda-method", 8), ("PRT2", 0), ("cuda", 0)],
)
def test_specificity(selector: str, expected: int) -> None:
    assert specificity(selector, METHOD.code, METHOD.name) == expected


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        (Settings(), {"PRT102", "PRT203"}),
        (Settings(extend_select=("PRT9",)), {"PRT102", "PRT203", "PRT901"}),
        (Settings(select=("ALL",)), {"PRT102", "PRT203", "PRT901"}),
        (Settings(select=("PRT1",)), {"PRT102"}),
        (Settings(select=()), set()),
        (Settings(select=("PRT",), ignore=("PRT1", "cuda-stream")), {"PRT901"}),
        (Settings(select=("PRT102",), ignore=("PRT1",)), {"PRT102"}),
        (Settings(ignore=("ALL",), extend_select=("cuda-stream",)), {"PRT203"}),
        (Settings(select=("PRT1",), ignore=("PRT1",)), set()),
    ],
)
def test_the_most_specific_selector_decides(settings: Settings, enabled: set[str]) -> None:
    assert {r.code for r in (METHOD, STREAM, SYNC) if settings.enables(r)} == enabled


def test_selectors_that_select_nothing() -> None:
    check_selectors(Settings(select=("PRT1", "ALL", "cuda-stream")), (METHOD, STREAM))
    with pytest.raises(ConfigError, match="selects no rule; did you mean `cuda-stream`"):
        check_selectors(Settings(per_file_ignores={"a": ("cuda-steam",)}), (METHOD, STREAM))
    with pytest.raises(ConfigError, match="`E501` selects no rule"):
        check_selectors(Settings(ignore=("E501",)), (METHOD, STREAM))


def test_per_file_ignores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(root=str(tmp_path), per_file_ignores={"tests/": ("PRT1",), "*.ipynb": ("cuda-stream",)})
    assert settings.ignores("tests/a/b.py", "PRT102", "cuda-method")
    assert not settings.ignores("tests/a/b.py", "PRT203", "cuda-stream")
    assert settings.ignores("x/a.ipynb", "PRT203", "cuda-stream")
    assert not settings.ignores("x/a.py", "PRT102", "cuda-method")


def test_test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(root=str(tmp_path))
    tests = ["tests/a.py", "a/test_b.py", "a/b_tests.py", "kernels/unit_test.py", "conftest.py"]
    assert [p for p in (*tests, "a/contest.py", "a/latest.py", "a/unit.py") if settings.is_test(p)] == tests


@pytest.mark.parametrize("pattern", ["!", "[z-a]"])
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern"):
        Settings(root=".").matches((pattern,), "a")


def test_loading_defaults_imports_little() -> None:
    code = (
        "import sys; from porter.config import load; load('/'); import porter.sources.discover\n"
        "print(sorted({'tomllib', 'pathspec', 'click', 'libcst', 'rich', 'torch', 'difflib'} & set(sys.modules)))"
    )
    here = Path(__file__).parent.parent
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )
    assert result.stdout == "[]\n"
