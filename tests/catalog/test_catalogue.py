"""The rows are whole, the compiled form is fresh, look-ups find the right row, and users' rows are checked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from porter import catalog
from porter.catalog import Catalogue, CatalogueError, compile, read
from porter.catalog.schema import CatalogueFile
from porter.model import TARGETS, Evidence, Verdict

CATALOGUE = catalog.load()
ROWS = list(CATALOGUE.rows())
ANSWERS = [(row, target, getattr(row, target)) for row in ROWS for target in TARGETS]
RECORDED = Path(__file__).parent / "recorded"
ARCHITECTURE = Path(__file__).parents[2] / "docs" / "architecture.md"
HINT = "run `python -m porter.catalog.compile` and commit compiled.json"

ROW = """
[[row]]
name = "shop.to_gpu"
kind = "symbol"
rule = "cuda-method"
summary = "moves a batch to the GPU"
neuron = { verdict = "auto", replacement = "shop.to_device" }
"""


def user(tmp_path: Path, text: str, name: str = "rows.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


# ---- the built-in rows


def test_the_compiled_form_is_fresh() -> None:
    paths = catalog.toml_files()
    expected = compile.render(read.read_files(paths), catalog.digest(paths))
    assert catalog.COMPILED.read_text(encoding="utf-8") == expected, HINT


def test_a_stale_compiled_form_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = user(tmp_path, '{"digest": "stale", "files": []}', "compiled.json")
    broken = user(tmp_path, "{", "broken.json")
    for path in (stale, broken, tmp_path / "absent.json"):
        monkeypatch.setattr(catalog, "COMPILED", path)
        assert catalog._built_in().files == CATALOGUE.files


def test_rules_are_those_of_the_architecture() -> None:
    table = set(re.findall(r"^\| PRT\d{3} \| ([a-z0-9-]+) \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE))
    assert not {row.rule for row in ROWS} - table


def test_evidence_d_is_never_auto() -> None:
    assert not [(row.name, t) for row, t, a in ANSWERS if a.evidence is Evidence.D and a.verdict is Verdict.AUTO]


def test_what_porter_leaves_to_people_comes_with_advice() -> None:
    left = (Verdict.MANUAL, Verdict.BLOCKED)
    assert not [(row.name, t) for row, t, a in ANSWERS if a.verdict in left and not a.advice]


def test_better_evidence_than_d_names_its_source() -> None:
    assert not [(row.name, t) for row, t, a in ANSWERS if a.evidence is not Evidence.D and not a.source]


def test_only_unknown_symbols_are_unknown() -> None:
    assert {row.rule for row, _, a in ANSWERS if a.verdict is Verdict.UNKNOWN} == {"unknown-cuda-symbol"}


def test_backends_in_code_come_with_the_order_that_neuron_wants() -> None:
    notes = [row.neuron.note for row in ROWS if row.kind == "backend" and row.rule == "nccl-backend"]
    assert len(notes) > 1 and all("before the first use of the device" in note for note in notes)


def test_sources_have_a_text_and_are_all_known() -> None:
    used = {key for _, _, answer in ANSWERS for key in answer.source}
    assert used <= CATALOGUE.sources.keys()
    assert all(CATALOGUE.sources.values())


def test_summaries_continue_the_name() -> None:
    """Messages read "`torch.cuda.synchronize()` waits until ..."."""
    assert not [row.name for row in ROWS if row.summary.endswith(".") or row.summary[:1].isspace() or not row.summary]


def test_what_answers_for_a_modules_names_or_another_row_answers_for_the_module() -> None:
    under = [(row.kind, name[:-2]) for row in ROWS for name in (row.name, *row.also) if name.endswith(".*")]
    assert not [(kind, name) for kind, name in under if CATALOGUE.find(kind, name) is None]


def test_values_are_written_as_python_shows_them() -> None:
    """A string's values have its quotes, as the index has: `'fp16'`, `True`, `[1-9]*`; what is computed has none."""
    odd = {value for row in ROWS for value in row.values if not re.fullmatch(r"('.*'|True|False|[\d\[][^']*)?", value)}
    assert not odd
    assert not [row.name for row in ROWS if row.values and row.kind != "argument"]


def test_every_answer_says_what_it_was_checked_against() -> None:
    assert not [(row.name, target) for row, target, _ in ANSWERS if not CATALOGUE.checked(row, target)]


@pytest.mark.parametrize("yardstick", ["api-map", "patterns"])
def test_everything_that_peers_and_the_api_map_know_is_answered(yardstick: str) -> None:
    names = json.loads((RECORDED / "yardstick.json").read_text(encoding="utf-8"))[yardstick]
    covered = {pattern for row in ROWS for pattern in row.covers}

    def answered(name: str) -> bool:
        row = CATALOGUE.find("symbol", name) or CATALOGUE.find("argument", name)
        return name in covered or (row is not None and row.rule != "unknown-cuda-symbol")

    assert not [name for name in names if not answered(name)]


def test_nothing_is_answered_that_nobody_asked() -> None:
    yardstick = json.loads((RECORDED / "yardstick.json").read_text(encoding="utf-8"))
    asked = {name for names in yardstick.values() for name in names}
    assert not {pattern for row in ROWS for pattern in row.covers} - asked


# ---- look-up


def test_find_prefers_the_exact_name_then_the_longest_prefix() -> None:
    def row(name: str) -> str:
        return f'[[row]]\nname = "{name}"\nkind = "symbol"\nrule = "r"\nsummary = "s"\n' + "".join(
            f'{target} = {{ verdict = "portable" }}\n' for target in TARGETS
        )

    names = ["a.b", "a.*", "a.b.*", "a.b._*", "a.b._x*"]
    data = read.tomllib.loads("".join(map(row, names)))["row"]
    rows = tuple(read._row(raw, "rows", set(), None) for raw in data)
    catalogue = Catalogue([CatalogueFile(title="t", checked={}, row=rows)], "digest")
    found = {
        name: catalogue.find("symbol", name) for name in ["a.b", "a.c.d", "a.b.c", "a.b._c", "a.b._xy", "a", "b.c"]
    }
    assert {name: row and row.name for name, row in found.items()} == {
        "a.b": "a.b",
        "a.c.d": "a.*",
        "a.b.c": "a.b.*",
        "a.b._c": "a.b._*",
        "a.b._xy": "a.b._x*",
        "a": None,
        "b.c": None,
    }
    assert catalogue.find("method", "a.b") is None


@pytest.mark.parametrize(
    ("kind", "name", "row"),
    [
        ("symbol", "torch.cuda.memory.empty_cache", "torch.cuda.empty_cache"),
        ("symbol", "torch.cuda.nccl.all_reduce", "torch.cuda.nccl"),
        ("symbol", "torch._C._cuda_getDeviceCount", "torch._C._cuda*"),
        ("symbol", "torch.cuda.HalfTensor", "torch.cuda.FloatTensor"),
        ("method", ".cuda", ".cuda"),
        ("device", "cuda:1", "cuda:*"),
        ("device", "cuda:{}", "cuda:{}"),
        ("backend", "cpu:gloo,cuda:nccl", "cpu:gloo,cuda:nccl"),
        ("argument", "torch.load(map_location)", "torch.load(map_location@1)"),
    ],
)
def test_sites_find_their_rows(kind: str, name: str, row: str) -> None:
    found = CATALOGUE.find(kind, name)
    assert found is not None
    assert found.name == row


def test_indexes_say_what_to_look_for() -> None:
    assert {"torch.cuda.synchronize", "torch.cuda.memory.empty_cache", "torch.Tensor.cuda"} <= CATALOGUE.symbols
    assert {"torch.cuda.", "torch.backends.cuda.", "torch.backends.cudnn."} <= set(CATALOGUE.namespaces)
    assert {"cuda", "is_cuda", "half", "record_stream", "elapsed_time"} <= CATALOGUE.methods
    assert "synchronize_all" not in CATALOGUE.methods
    device_ids = CATALOGUE.arguments["torch.nn.parallel.DistributedDataParallel"]["device_ids"]
    assert device_ids.position == 1
    assert device_ids.row is CATALOGUE.find("argument", "torch.nn.parallel.DistributedDataParallel(device_ids)")
    assert CATALOGUE.arguments["torch.compile"]["mode"].position is None


def test_loading_needs_neither_toml_nor_libcst() -> None:
    modules = "{'tomllib', 'tomli', 'libcst'} & set(sys.modules)"
    code = f"import sys; from porter import catalog; catalog.load(); print({modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()", HINT


# ---- users' rows


def test_a_users_row_answers_first_and_may_leave_targets_out(tmp_path: Path) -> None:
    override = ROW.replace("shop.to_gpu", "torch.cuda.synchronize")
    loaded = catalog.load([user(tmp_path, ROW + override)])
    row = loaded.find("symbol", "shop.to_gpu")
    assert row is not None
    assert (row.neuron.verdict, row.neuron.evidence) == (Verdict.AUTO, Evidence.C)
    assert (row.xla.verdict, row.portable.verdict) == (Verdict.MANUAL, Verdict.MANUAL)
    assert "rows.toml" in row.xla.advice
    overridden = loaded.find("symbol", "torch.cuda.synchronize")
    assert overridden is not None
    assert overridden.neuron.replacement == "shop.to_device"
    assert [r for r in loaded.rows() if r.name == "torch.cuda.synchronize"] == [overridden]
    assert loaded.checked(overridden, "neuron") == ""
    assert loaded.digest != CATALOGUE.digest
    assert CATALOGUE.find("symbol", "shop.to_gpu") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("summary", "sumary", "row 1 `shop.to_gpu`: unknown key `sumary`; did you mean `summary`?"),
        ("verdict", "verdct", "unknown key `neuron.verdct`; did you mean `verdict`?"),
        ('"auto"', '"aut"', "unknown verdict `aut`; did you mean `auto`?"),
        ('"symbol"', '"symbl"', "unknown kind `symbl`; did you mean `symbol`?"),
        ("cuda-method", "cuda-methods", "unknown rule `cuda-methods`; did you mean `cuda-method`?"),
        ("neuron =", "neuorn =", "has no answer: add at least one of `neuron`, `portable`, `xla`"),
        ('"shop.to_device"', '"shop.to_device", evidence = "D"', "neuron: verdict `auto` needs better evidence than D"),
        ('"shop.to_device"', '"shop.to_device", source = ["D-TNN"]', "unknown source `D-TNN`; did you mean `D-TN`?"),
        ('"shop.to_device"', '"shop.to_device", action = "renam"', "unknown action `renam`; did you mean `rename`?"),
        ('"shop.to_device"', '"x()", action = "rename"', "needs a dotted name as `replacement`, not `x()`"),
        (', replacement = "shop.to_device"', "", "verdict `auto` needs `replacement`"),
        ('"auto"', '"manual"', "verdict `manual` needs `advice`"),
        ('"symbol"', '"argument"', "`shop.to_gpu` is not of the form `callable(parameter)`"),
        ('"shop.to_gpu"', "3", "row 1: `name`: expected `str`, got `int`"),
        ("[[row]]", "[[rows]]", "unknown key `rows`; did you mean `row`?"),
        ("[[row]]", "[[row]", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = user(tmp_path, ROW.replace(old, new, 1))
    with pytest.raises(CatalogueError) as error:
        catalog.load([path])
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"absent\.toml: cannot be read: No such file"):
        catalog.load([tmp_path / "absent.toml"])


def test_two_built_in_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    answers = "".join(f'{target} = {{ verdict = "portable" }}\n' for target in TARGETS)
    head = 'title = "t"\n[checked]\n[[row]]\nkind = "symbol"\nrule = "r"\nsummary = "s"\n'
    first = user(tmp_path, f'{head}name = "a"\nalso = ["b"]\n{answers}', "first.toml")
    second = user(tmp_path, f'{head}name = "b"\n{answers}', "second.toml")
    with pytest.raises(CatalogueError, match=r"second\.toml: symbol `b` has a row in first\.toml already"):
        read.read_files([first, second])
