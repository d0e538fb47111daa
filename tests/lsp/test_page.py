"""docs/editors.md names what there is."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from porter.config import load
from porter.lsp.actions import FIX_ALL
from porter.lsp.workspace import OPTIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = Path(__file__).parents[2] / "docs" / "editors.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_the_options_are_settings(tmp_path: Path) -> None:
    options, vscode = map(json.loads, blocks("json"))
    assert load(tmp_path, overrides=options).targets == ("neuron", "portable")
    assert OPTIONS not in options and f"`{OPTIONS}`" in TEXT
    assert [vscode["glspc.server.command"], *vscode["glspc.server.commandArguments"]] == ["porter", "lsp"]
    assert FIX_ALL in TEXT


def test_other_blocks_can_be_read() -> None:
    (helix,) = map(tomllib.loads, blocks("toml"))
    assert helix["language-server"]["porter"] == {"command": "porter", "args": ["lsp"]}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", TEXT):
        assert (PAGE.parent / target).exists(), target
