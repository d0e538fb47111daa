"""Settings, folders, targets and baselines: the server goes by what `porter check` goes by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.client import Client, serve

CODE = "import torch\n\ntorch.cuda.synchronize()\ntorch.zeros(1).cuda()\n"
SETTINGS = "[tool.porter]\nignore = ['PRT201']\n"


def codes(diagnostics: list[Any]) -> list[str]:
    return [diagnostic["code"] for diagnostic in diagnostics]


def write(place: Path, text: str) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place


def test_settings_hold(client: Client, folder: Path) -> None:
    write(folder / "pyproject.toml", SETTINGS + "extend-exclude = ['old']\n")
    assert codes(client.settled(client.open(write(folder / "train.py", CODE)))) == ["PRT102"]
    excluded = client.open(write(folder / "old" / "train.py", CODE))
    assert client.quiet(1.0) == [] or client.diagnostics(excluded) == []


def test_settings_change(client: Client, folder: Path) -> None:
    uri = client.open(write(folder / "train.py", CODE))
    assert codes(client.settled(uri)) == ["PRT201", "PRT102"]
    settings = write(folder / "pyproject.toml", SETTINGS)
    client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": settings.as_uri(), "type": 1}]})
    assert codes(client.diagnostics(uri)) == ["PRT102"]


def test_settings_that_cannot_be_used(client: Client, folder: Path) -> None:
    settings = write(folder / "pyproject.toml", "[tool.porter]\ntraget = 'neuron'\n")
    uri = client.open(write(folder / "train.py", CODE))
    shown = client.wait(lambda said: said["method"] == "window/showMessage")
    assert shown["type"] == 1
    assert "unknown key `traget`; did you mean `target`?" in shown["message"]
    assert client.hover(uri, 2, 3) == ""
    write(settings, "[tool.porter]\n")
    client.notify(
        "textDocument/didOpen",
        {"textDocument": {"uri": settings.as_uri(), "languageId": "toml", "version": 1, "text": ""}},
    )
    client.notify("textDocument/didSave", {"textDocument": {"uri": settings.as_uri()}})
    assert codes(client.settled(uri)) == ["PRT201", "PRT102"]


def test_options_of_the_editor_come_first(folder: Path) -> None:
    write(folder / "pyproject.toml", SETTINGS)
    path = write(folder / "train.py", CODE)
    with serve(folder, options={"ignore": ["PRT102"]}) as client:
        uri = client.open(path)
        assert codes(client.settled(uri)) == ["PRT201"]
        client.notify("workspace/didChangeConfiguration", {"settings": {"porter": {"select": ["PRT3"]}}})
        assert client.diagnostics(uri) == []


def test_a_settings_file_that_the_editor_names(folder: Path) -> None:
    write(folder / "ci" / "porter.toml", "ignore = ['PRT201']\n")
    with serve(folder, options={"config": "ci/porter.toml"}) as client:
        assert codes(client.settled(client.open(write(folder / "train.py", CODE)))) == ["PRT102"]


@pytest.mark.parametrize("options", ["nonsense", {"ignore": 3}, {"extend-exclude": 7}, {"unknown": 1}])
def test_options_that_make_no_sense(folder: Path, options: Any) -> None:
    write(folder / "pyproject.toml", "[tool.porter]\nextend-exclude = ['old']\n")
    with serve(folder, options=options) as client:
        uri = client.open(write(folder / "train.py", CODE))
        if options == "nonsense":
            assert codes(client.diagnostics(uri)) == ["PRT201", "PRT102"]
        else:
            assert client.wait(lambda said: said["method"] == "window/showMessage")["type"] == 1
            assert client.hover(uri, 2, 3) == ""


def test_every_folder_has_its_own(tmp_path: Path) -> None:
    one, two = (tmp_path.resolve() / name for name in ("one", "two"))
    write(one / "pyproject.toml", SETTINGS)
    write(one / "inner" / "pyproject.toml", "[tool.porter]\nignore = ['PRT102']\n")
    with serve(one, two) if two.mkdir() is None else serve() as client:
        assert codes(client.settled(client.open(write(one / "train.py", CODE)))) == ["PRT102"]
        assert codes(client.settled(client.open(write(one / "inner" / "train.py", CODE)))) == ["PRT201"]
        assert codes(client.settled(client.open(write(two / "train.py", CODE)))) == ["PRT201", "PRT102"]
    assert not (two.parent / ".porter_cache").exists()


def test_folders_come_and_go(folder: Path, tmp_path: Path) -> None:
    other = tmp_path.resolve() / "other"
    write(other / "pyproject.toml", SETTINGS)
    uri = write(other / "train.py", CODE).as_uri()
    with serve(folder) as client:
        client.open(other / "train.py")
        assert codes(client.diagnostics(uri)) == ["PRT102"]  # alone, but with its settings
        event = {"added": [{"uri": other.as_uri(), "name": "other"}], "removed": []}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        assert codes(client.settled(uri)) == ["PRT102"]


def test_several_targets(client: Client, folder: Path) -> None:
    """A use counts that locks all of them out, as for `porter check`."""
    code = "import torch\n\ntorch.cuda.synchronize()\ntorch.cuda.CUDAGraph()\n"
    write(
        folder / "pyproject.toml", "[tool.porter]\ntarget = ['portable', 'neuron']\nfail-on = ['blocked', 'manual']\n"
    )
    uri = client.open(write(folder / "train.py", code))
    command = [sys.executable, "-m", "porter", "check", "--no-cache", "--format", "concise"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (
        codes(client.settled(uri))
        == [line.split()[1] for line in done.stdout.splitlines() if "PRT" in line]
        == ["PRT204"]
    )
    text = client.hover(uri, 2, 14)
    assert "**portable**:" in text and "**neuron**:" in text and "**xla**:" not in text


def test_severities(client: Client, folder: Path) -> None:
    write(folder / "pyproject.toml", "[tool.porter]\nseverity = { PRT201 = 'warning', PRT102 = 'note' }\n")
    found = client.settled(client.open(write(folder / "train.py", CODE)))
    assert [(diagnostic["code"], diagnostic["severity"]) for diagnostic in found] == [("PRT201", 2)]


def test_a_baseline(client: Client, folder: Path) -> None:
    """What it knows is only hinted at, wherever it moves; what is new is an error."""
    write(folder / "pyproject.toml", "[tool.porter]\nbaseline = 'known.txt'\n")
    path = write(folder / "train.py", CODE)
    command = [sys.executable, "-m", "porter", "check", "--write-baseline"]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    uri = client.open(path)
    assert [diagnostic["severity"] for diagnostic in client.settled(uri)] == [4, 4]
    assert "The baseline knows it" in client.hover(uri, 2, 3)
    client.change(uri, 2, CODE.replace("import torch\n", "import torch\n\ntorch.cuda.empty_cache()\n"))
    found = client.diagnostics(uri, 2)
    assert [(diagnostic["code"], diagnostic["severity"]) for diagnostic in found] == [
        ("PRT202", 1),
        ("PRT201", 4),
        ("PRT102", 4),
    ]
