"""Cases are read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from porter.config import ConfigError, load
from porter.verify.cases import CommandCase, FactoryCase, parse

COMMANDS = {"original": "python train.py --device cpu", "port": ["python", "train.py"], "losses": r"loss (\S+)"}


def test_a_factory() -> None:
    case = parse("gpt", {"factory": "cases.py:gpt", "steps": 20, "cuda-on-cpu": True, "tolerance": {"loss": 1e-3}})
    assert isinstance(case, FactoryCase)
    assert (case.name, case.steps, case.cuda_on_cpu, case.tolerance) == ("gpt", 20, True, {"loss": 1e-3})


def test_two_commands() -> None:
    case = parse("training", COMMANDS)
    assert isinstance(case, CommandCase)
    assert case.original == ("python", "train.py", "--device", "cpu")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"factory": "a.py:f", "step": 3}, "unknown key `step`; did you mean `steps`?"),
        ({**COMMANDS, "seed": 3}, "unknown key `seed`"),
        ({"factory": "a.py:f", "tolerance": {"losses": 1}}, "unknown tolerance `losses`; did you mean `loss`?"),
        ({"factory": "a.py:f", "tolerance": {"loss": -1}}, "tolerance"),
        ({"factory": "a.py:f", "precision": "fp32"}, "precision"),
        ({"factory": "a.py:f", "backends": ["gpu"]}, "backends"),
        ({"factory": "a.py:f", "steps": 0}, "steps"),
        ({"factory": "a.py:f", "timeout": 0}, "timeout"),
        ({"original": "a", "port": "b"}, "nothing to compare"),
        ({"original": "a", "losses": "(x)"}, "port"),
        ({"original": "", "port": "b", "losses": "(x)"}, "an empty command"),
        ({**COMMANDS, "losses": "loss"}, "needs a group around the number"),
        ({**COMMANDS, "losses": "loss ("}, "is no regular expression"),
        ({**COMMANDS, "results": ["model.bin"]}, "`model.bin` is neither"),
        ([], "is not a table"),
    ],
)
def test_mistakes_are_named(table: Any, message: str) -> None:
    with pytest.raises(ConfigError, match="case `gpt`: ") as error:
        parse("gpt", table)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("backend = ['sim']", "[tool.porter.verify]: unknown key `backend`; did you mean `backends`?"),
        ("backends = ['gpu']", "`verify.backends"),
        ("oracle = 3", "`verify.oracle`"),
    ],
)
def test_settings_are_strict(tmp_path: Path, settings: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.porter.verify]\n{settings}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert message in str(error.value)
