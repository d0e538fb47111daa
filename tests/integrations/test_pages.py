"""What the pages about CI tell people to copy is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="reads what the pages show")

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "ci").glob("*.md"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def steps(page: Path) -> list[dict[str, object]]:
    """Every step that a page shows, in a workflow or by itself."""
    found: list[dict[str, object]] = []
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        jobs = content.get("jobs", {}).values() if isinstance(content, dict) else [{"steps": content}]
        found += [step for job in jobs for step in job["steps"]]
    return found


def test_the_action_is_used_as_it_is() -> None:
    page = ROOT / "docs" / "ci" / "github.md"
    used = [step for step in steps(page) if str(step.get("uses", "")).startswith("OWNER/porter@")]
    assert used
    for step in used:
        assert set(step.get("with", {})) <= set(ACTION["inputs"])  # type: ignore[call-overload]


def test_the_table_of_inputs_is_complete() -> None:
    text = (ROOT / "docs" / "ci" / "github.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == list(ACTION["inputs"])


def test_the_hooks_are_those_of_the_manifest() -> None:
    manifest = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    text = "".join(blocks(ROOT / "docs" / "ci" / "pre-commit.md", "yaml"))
    assert set(re.findall(r"id: ([\w-]+)", text)) == {hook["id"] for hook in manifest}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_exists(page: Path) -> None:
    from porter.cli import check, rewrite

    known = {name for command in (check, rewrite) for option in command.command.params for name in option.opts}
    text = page.read_text(encoding="utf-8")
    shown = {
        name for line in re.findall(r"porter\"? check[^\n`]*|`--[^`]*`", text) for name in re.findall(r"--[\w-]+", line)
    }
    assert shown <= known | {"--all-files", "--hook-stage"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
