"""The module that `porter rewrite --helper` writes: what is in it, who imports it, and that it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from porter import catalog, engine
from porter.config import ConfigError, load
from porter.rewrite.helper import Helper, parts
from tests.ecosystem.invariants import working_in

USES = "import torch\n\n\ndef f():\n    torch.cuda.empty_cache()\n    return torch.zeros(3).cuda()\n"
TAKEN = "import torch\n\n\ndef empty_cache():\n    torch.cuda.empty_cache()\n"


def ported(folder: Path, helper: str = "accelerator.py", *, min_torch: str = "2.6") -> dict[str, str]:
    """The files below ``folder`` after a rewrite, which is written."""
    with working_in(folder):
        settings = load(isolated=True, overrides={"target": "portable", "cache": False, "min_torch": min_torch})
        for file in engine.rewrite((".",), settings, helper=helper).files:
            Path(file.path).write_bytes(file.after)
        return {str(path): path.read_text() for path in sorted(Path().rglob("*.py"))}


def repository(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def loaded(text: str) -> ModuleType:
    pytest.importorskip("torch")
    module = ModuleType("accelerator")
    exec(compile(text, "accelerator.py", "exec"), module.__dict__)
    return module


def test_a_function_takes_the_place_of_a_call_and_its_test(tmp_path: Path) -> None:
    files = ported(repository(tmp_path, {"train.py": USES}))
    assert files["train.py"] == (
        "import torch\nfrom accelerator import DEVICE, empty_cache\n\n\n"
        "def f():\n    empty_cache()\n    return torch.zeros(3).to(DEVICE)\n"
    )
    assert [name for name in parts() if f"def {name}(" in files["accelerator.py"]] == ["_ask", "empty_cache"]


def test_a_second_run_leaves_all_as_it_is_and_a_later_one_adds_what_is_new(tmp_path: Path) -> None:
    first = ported(repository(tmp_path, {"train.py": USES}))
    assert ported(tmp_path) == first
    (tmp_path / "accelerator.py").write_text(first["accelerator.py"] + "\n\nMINE = 1\n")
    later = ported(repository(tmp_path, {"more.py": "import torch\n\ntorch.cuda.synchronize()\n"}))
    assert later["more.py"] == "import torch\nfrom accelerator import synchronize\n\nsynchronize()\n"
    assert later["train.py"] == first["train.py"]
    assert later["accelerator.py"].startswith(first["accelerator.py"] + "\n\nMINE = 1\n")
    assert later["accelerator.py"].count("def ") == 3
    assert loaded(later["accelerator.py"]).synchronize() is None


@pytest.mark.parametrize(
    ("helper", "path", "imported"),
    [
        ("accelerator.py", "train.py", "from accelerator import DEVICE, empty_cache"),
        ("accelerator.py", "pkg/sub/model.py", "from accelerator import DEVICE, empty_cache"),
        ("pkg/device.py", "pkg/sub/model.py", "from pkg.device import DEVICE, empty_cache"),
        ("pkg/device.py", "train.py", "from pkg.device import DEVICE, empty_cache"),
        ("pkg/device.py", "tools/run.py", None),
        ("src/device.py", "train.py", None),
    ],
)
def test_a_file_imports_the_helper_as_it_imports_what_is_beside_it(
    helper: str, path: str, imported: str | None, tmp_path: Path
) -> None:
    repository(tmp_path, {"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "src/a.py": "", path: USES})
    files = ported(tmp_path, helper)
    assert ("DEVICE = torch" in files[path]) is (imported is None)
    assert (helper in files) is (imported is not None)
    assert imported is None or imported in files[path]


def test_names_that_a_file_has_stay_its_own(tmp_path: Path) -> None:
    own = USES.replace("def f", "DEVICE = 3\n\n\ndef f")
    files = ported(repository(tmp_path, {"taken.py": TAKEN, "own.py": own}))
    assert (
        "    if torch.accelerator.is_available():\n        torch.get_device_module().empty_cache()" in files["taken.py"]
    )
    assert "from accelerator import DEVICE as DEVICE_TYPE, empty_cache" in files["own.py"]
    assert ".to(DEVICE_TYPE)" in files["own.py"]


def test_what_is_not_porters_stays(tmp_path: Path) -> None:
    with working_in(repository(tmp_path, {"accelerator.py": "MINE = 1\n", "train.py": USES})):
        with pytest.raises(ConfigError, match="porter has not written it"):
            Helper("accelerator.py").check()
        with pytest.raises(ConfigError, match="name a file that can be imported"):
            Helper("my-helper.py").check()


def test_the_patch_brings_the_new_file(tmp_path: Path) -> None:
    repository(tmp_path, {"train.py": USES})
    git = ["git", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "porter", "rewrite", "--target", "portable", "--isolated", "--no-cache", "-q"]
    patch = subprocess.run(
        [*command, "--helper", "accelerator.py", "."], cwd=tmp_path, check=True, capture_output=True
    ).stdout
    subprocess.run([*git, "apply", "-"], cwd=tmp_path, check=True, input=patch)
    assert (tmp_path / "accelerator.py").is_file()
    assert "empty_cache()" in (tmp_path / "train.py").read_text()


def test_every_function_stands_for_calls_that_would_raise() -> None:
    known = catalog.load()
    for name in parts():
        row = known.find("symbol", f"torch.cuda.{name}")
        if not name or name in ("DEVICE", "_ask"):
            continue
        assert row is not None and row.name == f"torch.cuda.{name}", name
        assert row.portable.absent, name


def test_without_a_device_the_functions_give_what_cuda_gave(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    module = loaded("".join(part.text for part in parts().values()))
    known = catalog.load()
    arguments: dict[str, tuple[object, ...]] = {
        "set_device": (0,),
        "manual_seed": (1,),
        "manual_seed_all": (1,),
        "set_rng_state": (None,),
    }
    arguments |= {"set_rng_state_all": ([],)}
    assert module.DEVICE == "cpu"
    for name in parts():
        row = known.find("symbol", f"torch.cuda.{name}")
        if name and name not in ("DEVICE", "_ask"):
            assert row is not None
            assert getattr(module, name)(*arguments.get(name, ())) == eval(row.portable.absent), name
