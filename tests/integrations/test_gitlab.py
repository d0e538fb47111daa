"""The GitLab job: valid, and its script does what its page says, in the shell that GitLab starts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="reads the template")

TEMPLATE = Path(__file__).parents[2] / "docs" / "ci" / "porter.gitlab-ci.yml"
JOB = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))[".porter"]
CODE = "import torch\n\ntorch.cuda.synchronize()\n"


def run(work: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The job's script in the image's shell, with the porter under test where the job installs it."""
    porter = Path(sys.executable).with_name("porter")
    if not porter.exists() or shutil.which("sh") is None:
        pytest.skip("needs a shell, and porter installed beside this Python")
    home = work / "home" / "bin"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "porter").exists():
        (home / "porter").symlink_to(porter)
    values = {**JOB["variables"], "PORTER_HOME": str(home.parent), **variables}
    script = "\n".join(JOB["script"])
    environment = {**os.environ, **values}
    return subprocess.run(
        ["sh", "-e", "-c", script], cwd=work, env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_valid() -> None:
    pytest.importorskip("check_jsonschema", reason="has the schema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(TEMPLATE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_findings_fail_it_and_are_reported(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "other.py").write_text(CODE, encoding="utf-8")
    done = run(tmp_path, PORTER_PATHS="src other.py")
    assert done.returncode == 1, done.stdout + done.stderr
    reports = JOB["artifacts"]["reports"]
    issues = json.loads((tmp_path / reports["codequality"]).read_text(encoding="utf-8"))
    assert {issue["location"]["path"] for issue in issues} == {"src/train.py", "other.py"}
    assert ET.parse(tmp_path / reports["junit"]).getroot().get("failures") == "2"
    (comment,) = JOB["artifacts"]["paths"]
    assert "2 findings" in (tmp_path / comment).read_text(encoding="utf-8")


def test_a_baseline_lets_pass_what_it_knows(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(CODE, encoding="utf-8")
    porter = [sys.executable, "-m", "porter", "check", "--write-baseline", "--baseline", "known.txt"]
    subprocess.run(porter, cwd=tmp_path, check=True, capture_output=True)
    assert run(tmp_path).returncode == 1
    done = run(tmp_path, PORTER_BASELINE="known.txt")
    assert done.returncode == 0, done.stdout + done.stderr


def test_variables_are_never_executed(tmp_path: Path) -> None:
    for value in ('"; touch owned; "', "$(touch owned)", "`touch owned`"):
        assert run(tmp_path, PORTER_BASELINE=value).returncode == 2
        assert run(tmp_path, PORTER_PATHS=value).returncode == 2
    assert not list(tmp_path.rglob("owned"))
