"""What the readers make of each grammar: values with their keys, words with their places."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter.sources.files.requirements import requirement, requirement_sites
from porter.sources.files.shell import commands
from porter.sources.files.toml import read_toml
from porter.sources.files.tree import Item, read_json
from porter.sources.files.view import View
from porter.sources.files.yaml import read_yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

keys = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True)
words = st.from_regex(r"[a-z][a-z0-9./ _-]{0,8}[a-z0-9]", fullmatch=True).filter(
    lambda w: w not in ("true", "false", "null")
)
scalars = st.one_of(words, st.integers(0, 99))
trees = st.dictionaries(
    keys,
    st.recursive(
        scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3))
    ),
    max_size=4,
)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """The scalars of a parsed document, as the readers name them."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value, path)
    else:
        yield path, str(tree)


def read(items: Iterator[Item], text: str) -> list[tuple[tuple[str, ...], str]]:
    result = []
    for item in items:
        assert text[item.start : item.end] == item.value
        result.append((item.path, item.value))
    return result


@settings(max_examples=200, deadline=None)
@given(trees, st.sampled_from([None, 1, 4]))
def test_json_is_read_like_a_parser_does(tree: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(tree, indent=indent)
    assert read(read_json(text), text) == list(leaves(tree))


def blocks(tree: Any, margin: str = "") -> str:
    """A tree in YAML's block style, as people write it."""
    text = ""
    for key, value in tree.items() if isinstance(tree, dict) else [("", item) for item in tree]:
        head = f"{margin}{key}:" if isinstance(tree, dict) else f"{margin}-"
        if isinstance(value, dict) and value and isinstance(tree, list):
            text += f"{head} {blocks(value, margin + '  ').lstrip()}"
        elif isinstance(value, (dict, list)) and value:
            text += f"{head}\n{blocks(value, margin + '  ')}"
        else:
            text += f"{head} {value}\n"
    return text


@settings(max_examples=200, deadline=None)
@given(trees)
def test_yaml_is_read_like_a_parser_does(tree: dict[str, Any]) -> None:
    for text in (blocks(tree), json.dumps(tree)):
        assert read(read_yaml(text), text) == list(leaves(tree))


def test_yaml_block_scalars() -> None:
    text = "a:\n  run: |\n    one\n\n    two\n  b: >-  # folded\n    three\nl:\n- |\n  four\nc: 1\n"
    values = [(item.path, item.value.split(), item.block) for item in read_yaml(text)]
    assert values == [
        (("a", "run"), ["one", "two"], True),
        (("a", "b"), ["three"], True),
        (("l",), ["four"], True),
        (("c",), ["1"], False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        'a = "x" # c\nb.c = [1, "two", [\'three\']]\n[t."u v"]\nd = {e = 1, "f" = "g#h"}\n[[l]]\ni = 2\n',
        'a = [\n  "x", # "no"\n  "y=z",\n]\nb = \'\'\nc = 1979-05-27\n',
    ],
)
def test_toml_is_read_like_a_parser_does(text: str) -> None:
    assert read(read_toml(text), text) == list(leaves(tomllib.loads(text)))


def test_toml_strings_of_several_lines() -> None:
    text = 'a = """\none\n"two"\n"""\nb = 1\n'
    assert [(item.path, item.value, item.block) for item in read_toml(text)] == [
        (("a",), '\none\n"two"\n', True),
        (("b",), "1", False),
    ]


def shell(text: str) -> list[list[str]]:
    return [[word.value for word in command.words] for command in commands(View(text, 0, lambda _: 1))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b; c && d | e", [["a", "b"], ["c"], ["d"], ["e"]]),
        ("a 'b c' \"d $x\" e\\ f", [["a", "b c", "d $x", "e f"]]),
        ("a \\\n  b # c\nd", [["a", "b"], ["d"]]),
        ("a $(b c) d", [["b", "c"], ["a", "$(...)", "d"]]),
        ('a "x $(b "c d") y" e', [["b", "c d"], ["a", "x $(...) y", "e"]]),
        ("a `b c` d", [["b", "c"], ["a", "$(...)", "d"]]),
        ("(a; b) c", [["a"], ["b"], ["c"]]),
        ("a > b 2>&1 < c", [["a", "b", "2", "1", "c"]]),
        ("a <<E b\nc 'd\nE\ne", [["a", "b"], ["e"], ["c", "'d"]]),
        ("python <<E\nnvcc\nE\ne", [["python"], ["e"]]),
        ("a <<< b", [["a", "b"]]),
        ("a <<E\nb", [["a"], ["b"]]),
        ("sh -c 'a b'", [["sh", "-c", "a b"], ["a", "b"]]),
        ("#SBATCH -G 4\n# a\n#!/bin/sh", [["#SBATCH", "-G", "4"]]),
        ("a ${#b[@]} c#d", [["a", "${#b[@]}", "c#d"]]),
    ],
)
def test_commands_of_a_shell_script(text: str, expected: list[list[str]]) -> None:
    assert shell(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("flash_attn", "flash-attn"),
        ("Flash.Attn[extra] >= 2 ; python_version > '3'", "flash-attn"),
        ("torch==2.1+cu118", "torch+cu118"),
        ("torch", "torch"),
        ("numpy==1.0+cu118", "numpy"),
        ("flash-attn @ https://example.com/flash_attn-2.5.8+cu122torch2.2-cp310.whl", "flash-attn"),
        ("https://example.com/a/flash_attn-2.5.8+cu122torch2.2-cp310.whl", "flash-attn"),
        ("git+https://github.com/NVIDIA/apex", "apex"),
        ("git+https://github.com/NVIDIA/apex.git@release/24.04#egg=apex", "apex"),
        ("git+ssh://git@github.com/state-spaces/mamba.git@v2", "mamba-ssm"),
        ("nvidia::cuda-toolkit=12", "cuda-toolkit"),
        ("pytorch-cuda=12.1", "pytorch-cuda"),
        ("jax[cuda12]==0.4", "jax[cuda12]"),
        ("./flash_attn", None),
        ("wheels/flash_attn.whl", None),
        ("C:\\flash", None),
        ("--hash=sha256:0", None),
        ("", None),
    ],
)
def test_the_name_of_a_requirement(text: str, name: str | None) -> None:
    found = requirement(text)
    assert (found.value if found else None) == name


def test_requirements_in_strings_of_python() -> None:
    (site,) = requirement_sites("  torch==2.1+cu118 ", start=10, line=4)
    assert (site.kind, site.name, site.start, site.end, site.line) == ("requirement", "torch+cu118", 12, 28, 4)
    assert requirement_sites("./path", start=0, line=1) == []
