"""The literate format itself: what a Markdown page means, and that UPDATE touches nothing else."""

from __future__ import annotations

import json

import pytest

from tests.literate import BadCase, Expected, cells, pack, parse, unpack, update

PAGE = """\
# rule

Prose, with a block for the reader:

```console
$ porter scan
```

## Hit

```py
x = a.cuda()  # error: [cuda-method] auto
y = b.cuda() + c.cuda()  # error: [cuda-method] # error: [cuda-method] manual
```

```fixed
x = a.to("neuron")
```

```py
z = 1
```

## Repository

```json title="conf/run.json"
{"device": "cuda"}
```

```findings
1 cuda-config-value manual
```

```cpp title="k.cpp"
x.is_cuda();  // error: [cuda-source]
```

```fixed title="conf/run.json" target=xla
{"device": "xla"}
```
"""


def test_a_page_is_cases_of_files() -> None:
    first, second, repository = parse(PAGE)
    assert first.heading == second.heading == ("Hit",)
    (file,) = first.files
    assert file.path == "case.py"
    assert file.text == "x = a.cuda()\ny = b.cuda() + c.cuda()\n"
    assert file.expected == [
        Expected(1, "cuda-method", "auto"),
        Expected(2, "cuda-method", None),
        Expected(2, "cuda-method", "manual"),
    ]
    assert file.fixed["neuron"].text == 'x = a.to("neuron")\n'
    assert [f.path for f in second.files] == ["case.py"]
    config, kernel = repository.files
    assert config.expected == [Expected(1, "cuda-config-value", "manual")]
    assert config.fixed["xla"].text == '{"device": "xla"}\n'
    assert kernel.text == "x.is_cuda();\n"


def test_update_replaces_that_block_alone() -> None:
    (case, *_) = parse(PAGE)
    ordinal = case.files[0].fixed["neuron"].ordinal
    updated = update(PAGE, {ordinal: "one\ntwo\n"})
    assert updated == PAGE.replace('x = a.to("neuron")\n', "one\ntwo\n")
    assert update(updated, {ordinal: 'x = a.to("neuron")\n'}) == PAGE


def test_a_notebook_survives_the_way_to_disk_and_back() -> None:
    text = "# %%\nimport torch\n\nx = 1\n# %% [markdown]\nSome *text*.\n# %%\n%pip list\n"
    assert unpack(pack(text)) == text
    assert [(line, is_code) for line, is_code, _ in cells(text)] == [(2, True), (6, False), (8, True)]
    assert [cell["cell_type"] for cell in json.loads(pack(text))["cells"]] == ["code", "markdown", "code"]


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```py\nx = 1\n", "line 1: the block is never closed"),
        ("```pyton\nx = 1\n```\n", "line 1: a block of language 'pyton'"),
        ("```fixed\nx = 1\n```\n", "line 1: this fixed block follows no block"),
        ("```py\nx  # error: [a-rule] fatal\n```\n", "line 2: 'fatal' is no verdict"),
        ("```py\nx  # error: a-rule\n```\n", "line 2: not an `error: [rule]` marker"),
    ],
)
def test_a_page_that_breaks_the_rules_is_refused(page: str, complaint: str) -> None:
    with pytest.raises(BadCase) as caught:
        parse(page)
    assert str(caught.value).startswith(complaint)
