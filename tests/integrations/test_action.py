"""The GitHub action: its steps are executed here, one after the other, by the bash that GitHub starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="reads action.yml")

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="the steps are for bash")

GH = """#!/bin/sh
# In the place of GitHub's own program, which needs GitHub: notes what it is asked for, and answers from a file.
printf '%s\\n' "$*" >> "$GH_LOG"
case "$*" in *--paginate*) cat "$GH_KNOWN";; esac
"""


class Runner:
    """What GitHub does with a composite action: expressions, conditions, environment files and shells."""

    def __init__(self, folder: Path, inputs: Mapping[str, str], event: Mapping[str, str]) -> None:
        self.work = folder / "work"
        self.temp = folder / "temp"
        for one in (self.work, self.temp):
            one.mkdir(exist_ok=True)
        defaults = {name: str(given.get("default", "")) for name, given in ACTION["inputs"].items()}
        assert set(inputs) <= set(defaults)
        self.values = {f"inputs.{name}": value for name, value in {**defaults, **inputs}.items()}
        self.values |= {"github.action_path": str(ROOT), "runner.temp": str(self.temp), "runner.os": "Linux"}
        self.values |= {f"github.{name}": value for name, value in event.items()}
        self.used: list[tuple[str, dict[str, str]]] = []
        self.summary = folder / "summary.md"
        self.log = ""

    def value(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self.values.get(match[1], ""), str(text))

    def wanted(self, condition: str) -> bool:
        """``a == 'b' && c != ''``: the little of GitHub's language that the action needs."""
        for part in filter(None, condition.split(" && ")):
            left, sign, right = part.split()
            equal = self.values.get(left, "") == right.strip("'")
            if equal != (sign == "=="):
                return False
        return True

    def run(self, extra: Mapping[str, str] | None = None) -> int:
        """Every step, up to the first that fails; its status."""
        for step in STEPS.values():
            if not self.wanted(step.get("if", "")):
                continue
            if "uses" in step:
                given = {name: self.value(value) for name, value in step.get("with", {}).items()}
                self.used.append((step["uses"], given))
                continue
            if status := self.shell(step, extra or {}):
                return status
        return 0

    def shell(self, step: Mapping[str, Any], extra: Mapping[str, str]) -> int:
        output = self.temp / "output"
        output.write_text("", encoding="utf-8")
        script = self.temp / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        given = {name: self.value(value) for name, value in step.get("env", {}).items()}
        environment = {
            **{
                name: os.environ[name]
                for name in ("PATH", "HOME", "PIP_CONFIG_FILE", "PIP_INDEX_URL")
                if name in os.environ
            },
            **{"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.summary), "RUNNER_TEMP": str(self.temp)},
            **{"GITHUB_REPOSITORY": "owner/repo", "CI": "true"},
            **given,
            **extra,
        }
        assert BASH is not None and step["shell"] == "bash"
        place = self.work / self.value(step.get("working-directory", "."))
        command = [BASH, "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        self.log += done.stdout + done.stderr
        for line in output.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{name}"] = value
        return done.returncode


@pytest.fixture(scope="module")
def porter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The porter under test as an installed program, so that each test need not install it."""
    found = Path(sys.executable).with_name("porter")
    if not found.exists():
        pytest.skip("porter is not installed beside this Python")
    return str(found)


@pytest.fixture
def run(tmp_path: Path, porter: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the action on a repository with one finding; without the installation, which has a test of its own."""
    monkeypatch.setitem(STEPS["Install porter"], "run", f'echo "porter={porter}" >> "$GITHUB_OUTPUT"')

    def run(event: Mapping[str, str] | None = None, extra: Mapping[str, str] | None = None, **inputs: str) -> Any:
        runner = Runner(tmp_path, {name.replace("_", "-"): value for name, value in inputs.items()}, event or {})
        (runner.work / "train.py").write_text("import torch\n\ntorch.cuda.synchronize()\n", encoding="utf-8")
        return runner, runner.run(extra)

    return run


def test_it_is_valid() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-actions",
        ROOT / "action.yml",
    ]
    pytest.importorskip("check_jsonschema", reason="has the schema")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_pasted_into_a_script() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", ""), step["name"]


def test_every_input_is_used_and_every_expression_is_known() -> None:
    text = json.dumps(ACTION["runs"])
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in text, name
    for name in re.findall(r"inputs\.([\w-]+)", text):
        assert name in ACTION["inputs"]


def test_findings_fail_it_after_everything_was_reported(run: Any) -> None:
    runner, status = run(sarif="true")
    assert status == 1
    assert "::error" in runner.log and "train.py" in runner.log
    assert runner.summary.read_text(encoding="utf-8").startswith("<!-- porter check -->")
    (uploaded,) = [given for used, given in runner.used if used.startswith("github/codeql-action/upload-sarif@")]
    sarif = json.loads(Path(uploaded["sarif_file"]).read_text(encoding="utf-8"))
    assert [result["ruleId"] for result in sarif["runs"][0]["results"]] == ["PRT201"]


def test_clean_code_passes(run: Any) -> None:
    runner, status = run(args="--ignore\nPRT201")
    assert status == 0, runner.log
    assert "no CUDA use" in runner.summary.read_text(encoding="utf-8")


def test_switches(run: Any) -> None:
    runner, status = run(annotations="false", summary="false", cache="false")
    assert status == 1
    assert "::error" not in runner.log
    assert not runner.summary.exists()
    assert not runner.used


def test_the_cache_is_where_it_is_kept(run: Any) -> None:
    runner, _ = run()
    (cached,) = [given for used, given in runner.used if used.startswith("actions/cache@")]
    assert any(Path(cached["path"]).glob("*/facts-*"))


def test_targets_paths_and_a_baseline(run: Any) -> None:
    runner, status = run(target="xla,neuron", paths="train.py\nmissing.py")
    assert status == 2 and "missing.py" in runner.log
    runner, status = run(paths="train.py", args="--write-baseline\n--baseline=known.txt")
    assert status == 0, runner.log
    runner, status = run(paths="train.py", baseline="known.txt")
    assert status == 0, runner.log


def test_changed_lines_only(run: Any, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text("import torch\n\ntorch.cuda.synchronize()\n", encoding="utf-8")
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm a"):
        subprocess.run(["git", *command.split()], cwd=work, check=True)
    runner, status = run(diff_base="HEAD")
    assert status == 0, runner.log


@pytest.mark.parametrize("value", ['"; touch owned; "', "$(touch owned)", "`touch owned`", "a'b\"c; touch owned #"])
@pytest.mark.parametrize("name", ["paths", "args", "target", "baseline", "diff-base"])
def test_inputs_are_never_executed(run: Any, name: str, value: str) -> None:
    runner, status = run(**{name.replace("-", "_"): value})
    assert status == 2
    assert not list(runner.work.rglob("owned"))


def test_a_comment_is_written_once_and_then_changed(run: Any, tmp_path: Path) -> None:
    tools, log, known = tmp_path / "tools", tmp_path / "gh.log", tmp_path / "known"
    tools.mkdir()
    (tools / "gh").write_text(GH, encoding="utf-8")
    (tools / "gh").chmod((tools / "gh").stat().st_mode | stat.S_IXUSR)
    extra = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "GH_LOG": str(log), "GH_KNOWN": str(known)}
    event = {"event.pull_request.number": "7"}

    known.write_text("", encoding="utf-8")
    run(event, extra, comment="true")
    asked, sent = log.read_text(encoding="utf-8").splitlines()
    assert "repos/owner/repo/issues/7/comments" in asked
    assert "--method POST repos/owner/repo/issues/7/comments" in sent
    assert Path(sent.partition("body=@")[2].split()[0]).read_text(encoding="utf-8").startswith("<!-- porter check -->")

    log.unlink()
    known.write_text("41\n42\n", encoding="utf-8")
    run(event, extra, comment="true")
    assert "--method PATCH repos/owner/repo/issues/comments/41 " in log.read_text(encoding="utf-8").splitlines()[1]

    log.unlink()
    run({}, extra, comment="true")  # no pull request
    assert not log.exists()


@pytest.mark.installs
def test_it_installs_what_it_comes_with(tmp_path: Path) -> None:
    runner = Runner(tmp_path, {}, {})
    status = runner.shell(STEPS["Install porter"], {"PIP_RETRIES": "1"})
    if status and re.search(r"No matching distribution|Connection|resolve|timed out", runner.log):
        pytest.skip("no package index to install from")
    assert status == 0, runner.log
    assert Path(runner.values["steps.install.outputs.porter"]).exists()
