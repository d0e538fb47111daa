"""What README and CONTRIBUTING tell people to write is what porter takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from porter import catalog, rules
from porter.catalog.read import read_files
from porter.cli import main
from porter.config import check_selectors, load

ROOT = Path(__file__).parents[2]


def toml_in(page: str, word: str) -> str:
    """The first TOML block of a page that holds ``word``, without its indentation."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```toml\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return next(re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in blocks if word in body)


def test_the_configuration_in_the_readme_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "cuda-wrappers.toml").write_text(toml_in("README.md", "[[row]]"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(toml_in("README.md", "[tool.porter]"), encoding="utf-8")
    settings = load(tmp_path)
    check_selectors(settings, rules.load().values())
    row = catalog.load([Path(file) for file in settings.catalogue]).find("symbol", "ourlib.device.fast_sync")
    assert row is not None
    assert row.neuron.replacement == "ourlib.device.sync"


def test_the_row_in_contributing_is_accepted(tmp_path: Path) -> None:
    file = tmp_path / "row.toml"
    file.write_text('title = "t"\nchecked = {}\n\n' + toml_in("CONTRIBUTING.md", "[[row]]"), encoding="utf-8")
    (built_in,) = read_files([file])
    assert built_in.row[0].rule in rules.load()


def test_the_report_and_the_patch_in_the_readme_are_what_porter_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for block, command in ((r"```console\n\$ porter scan .*?```", "scan"), (r"```diff\n.*?```", "rewrite --diff")):
        found = re.search(block, text, re.DOTALL)
        assert found is not None
        shown = [line for line in found[0].splitlines()[1:-1] if not line.startswith(("$", "...", "9 files"))]
        main([*command.split(), "--isolated", "--no-cache", "examples/language-model/original"])
        said = capsys.readouterr().out.splitlines()
        assert [line for line in shown if line not in said] == []


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/api.md",
        "docs/formats.md",
        "docs/rewrite.md",
    ],
)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(((?!https?:)[^)]+)\)", text)]
    assert not [target for target in targets if target and not (ROOT / page).parent.joinpath(target).exists()]
