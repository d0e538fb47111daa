"""The library is what its page says, costs nothing until it is used, and does what the commands do."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path

import msgspec
import pytest

import porter
import porter.api
from porter.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
FUNCTIONS = [name for name in SECTIONS if inspect.isfunction(getattr(porter, name))]
STRUCTS = [name for name in SECTIONS if hasattr(getattr(porter, name), "__struct_fields__")]
ENUMS = [name for name in SECTIONS if name in ("Verdict", "Effort", "Evidence", "Severity")]
CUDA = "import torch\nx = torch.zeros(3, device='cuda')\ntorch.cuda.mem_get_info()\ntorch.cuda.manual_seed(0)\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_page_names_everything_and_nothing_else() -> None:
    assert sorted([*SECTIONS, "__version__"]) == sorted(porter.__all__)
    assert sorted(SECTIONS) == sorted(porter.api.__all__)
    assert set(SECTIONS) == {*FUNCTIONS, *STRUCTS, *ENUMS, "ConfigError"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_those_of_the_page(name: str) -> None:
    [block] = re.findall(r"```python\n(.*?)```", SECTIONS[name], re.DOTALL)
    [told] = ast.parse(block).body
    [real] = ast.parse(inspect.getsource(getattr(porter, name))).body
    assert isinstance(told, ast.FunctionDef)
    assert isinstance(real, ast.FunctionDef)
    assert ast.unparse(told.args) == ast.unparse(real.args)
    assert told.returns is not None
    assert real.returns is not None
    assert ast.unparse(told.returns) == ast.unparse(real.returns)


@pytest.mark.parametrize("name", STRUCTS)
def test_fields_are_those_of_the_page(name: str) -> None:
    struct = getattr(porter, name)
    told = [
        (field, type_.replace("\\|", "|"))
        for field, type_ in re.findall(r"^\| `(\w+)` \| `(.*?)` \|", SECTIONS[name], re.M)
    ]
    hints = struct.__annotations__
    assert told == [(field, hints[field]) for field in struct.__struct_fields__]


@pytest.mark.parametrize("name", ENUMS)
def test_values_are_those_of_the_page(name: str) -> None:
    enum: type[Enum] = getattr(porter, name)
    assert re.findall(r"`([\w]+)`", SECTIONS[name].partition(":")[0]) == [member.value for member in enum]


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    Path("src").mkdir()
    Path("src/model.py").write_text(CUDA)
    Path("train.py").write_text("import torch\n")
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    exec(compile(example, "docs/api.md", "exec"), {})
    assert capsys.readouterr().out.startswith("src/model.py:2: PRT101 device string")


def test_importing_porter_imports_nothing_of_it() -> None:
    code = "import sys; before = set(sys.modules); import porter; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = done.stdout.split()
    assert [name for name in new if name.partition(".")[0] == "porter"] == ["porter"]
    assert {name.partition(".")[0] for name in new} <= {"porter", "__future__", "importlib", "warnings"}


def test_a_name_that_is_not_there() -> None:
    assert "check_paths" in dir(porter)
    with pytest.raises(AttributeError, match="no attribute 'check_path'"):
        porter.check_path  # type: ignore[attr-defined]  # noqa: B018


def test_findings_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(CUDA)
    Path("b.py").write_text("import torch\nif torch.cuda.is_available():\n    g = torch.cuda.CUDAGraph()\n")
    Path("porter.toml").write_text('ignore = ["PRT202"]\nper-file-ignores = { "a.py" = ["PRT301"] }\n')
    report = porter.check_paths(["."])
    main(["check", "--format", "json"])
    shown = msgspec.json.decode(capsys.readouterr().out)["findings"]
    assert msgspec.convert(shown, tuple[porter.Finding, ...]) == report.failing
    assert len(report.findings) > len(report.failing) > 0
    assert (report.files, report.problems) == (3, ())  # the settings are a file, too
    assert pickle.loads(pickle.dumps(report)) == report


def test_settings(tmp_path: Path) -> None:
    Path("a.py").write_text(CUDA)
    Path("porter.toml").write_text('select = ["PRT101"]\n')
    Path("other.toml").write_text('select = ["PRT301"]\n')

    def codes(**options: object) -> list[str]:
        return [finding.code for finding in porter.check_paths([Path("a.py")], **options).findings]  # type: ignore[arg-type]

    assert codes() == ["PRT101"]
    assert codes(config="other.toml") == ["PRT301"]
    assert codes(isolated=True) == ["PRT101", "PRT202", "PRT301"]
    assert codes(settings={"select": ["PRT2"], "cache": False}) == ["PRT202"]
    assert codes(isolated=True, settings={"per-file-ignores": {"a.py": ["PRT2"]}}) == ["PRT101", "PRT301"]
    assert [f.verdict for f in porter.check_paths(["a.py"], target="xla").findings] != []


def test_what_is_raised() -> None:
    with pytest.raises(FileNotFoundError):
        porter.check_paths(["nowhere"])
    with pytest.raises(porter.ConfigError, match="did you mean `select`"):
        porter.check_paths(["."], settings={"selct": []})
    with pytest.raises(porter.ConfigError):
        porter.rewrite_source("", config="nowhere.toml")
    with pytest.raises(ValueError, match="codec can't encode"):
        porter.rewrite_source("# coding: ascii\nx = 'é'  # cuda\n")


def test_nothing_to_look_at() -> None:
    assert porter.check_paths([]) == porter.Report((), (), (), 0, 0)


def test_a_rewrite() -> None:
    result = porter.rewrite_source(CUDA)
    assert result.source == CUDA.replace("'cuda'", "'neuron'").replace("cuda.manual_seed", "neuron.manual_seed")
    assert [finding.code for finding in result.applied] == ["PRT101", "PRT301"]
    assert [finding.code for finding in result.left] == ["PRT202"]
    assert result.applied[0].path == "source.py"
    safe = porter.rewrite_source(CUDA.encode(), safe_only=True)
    assert safe.source == CUDA.replace("'cuda'", "'neuron'").encode()
    assert [finding.code for finding in safe.left] == ["PRT202", "PRT301"]
    assert "import torch_xla\n" in porter.rewrite_source(CUDA, target="xla").source


def test_a_line_that_moves_ends_like_the_file() -> None:
    lines = ["import torch", "torch.cuda.set_device(0)", 'torch.distributed.init_process_group("nccl")', "print(1)", ""]
    source = porter.rewrite_source("\r\n".join(lines)).source
    assert source.split("\r\n")[2] == "torch.neuron.set_device(0)"
    assert source.count("\r") == source.count("\n") == source.count("\r\n")


def test_text_is_read_as_the_encoding_that_it_declares() -> None:
    text = "# coding: latin-1\nimport torch\né = torch.device('cuda')\n"
    assert porter.rewrite_source(text).source == text.replace("cuda", "neuron")
    assert porter.rewrite_source(text.encode("latin-1")).source == text.replace("cuda", "neuron").encode("latin-1")


def test_a_source_that_does_not_parse_stays() -> None:
    result = porter.rewrite_source("import torch\ndef f(:\n    torch.cuda.init()\n")
    assert "def f(:" in result.source
    assert result.applied == ()
    assert "does not parse" in result.problems[0].message


def test_other_kinds_of_files() -> None:
    result = porter.rewrite_source("export CUDA_VISIBLE_DEVICES=0\n", filename="run.sh")
    assert result.source == "export NEURON_RT_VISIBLE_CORES=0\n"
    assert [finding.code for finding in result.applied] == ["PRT801"]


def test_several_threads() -> None:
    sources = [CUDA + f"y{i} = torch.device('cuda:{i}')\n" for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(porter.rewrite_source, sources)) == [porter.rewrite_source(source) for source in sources]
