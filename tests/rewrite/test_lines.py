"""What goes from a file that is not Python, and that everything else stays where it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from porter.rewrite import lines
from porter.rewrite.requirements import written
from porter.rules.base import Edits
from porter.sources.files.shell import commands
from porter.sources.files.view import View

Drop = Callable[[bytes, int, int], "Edits | None"]


def after(drop: Drop, text: str, word: str = "GONE") -> str | None:
    """``text`` without the first ``word`` in it."""
    raw = text.encode()
    start = raw.index(word.encode())
    return spliced(raw, drop(raw, start, start + len(word.encode())))


def spliced(raw: bytes, edits: Edits | None) -> str | None:
    if edits is None:
        return None
    for edit in sorted(edits, reverse=True):
        raw = raw[: edit.start] + edit.text.encode() + raw[edit.end :]
    return raw.decode()


@pytest.mark.parametrize(
    ("drop", "before", "expected"),
    [
        (lines.drop_line, "a\nGONE==1  # why\nb\n", "a\nb\n"),
        (lines.drop_line, "a\r\n  GONE \\\r\n  --hash=x \\\r\n  --hash=y\r\nb\r\n", "a\r\nb\r\n"),
        (lines.drop_line, "a\nGONE", "a\n"),
        (lines.drop_line, "a\n-e GONE#egg=x\n", "a\n"),
        (lines.drop_line, "export GONE := 1\nb\n", "b\n"),
        (lines.drop_line, "key = GONE\n", None),
        (lines.drop_word, "run a GONE b", "run a b"),
        (lines.drop_word, "run a GONE", "run a"),
        (lines.drop_word, "GONE=1 run", "=1 run"),
        (lines.drop_word, "GONE run a", "run a"),
        (lines.drop_word, "x=$(GONE run)", "x=$(run)"),
        (lines.drop_word, "run \\\n  GONE \\\n  b\n", "run \\\n  b\n"),
        (lines.drop_word, "run a \\\n  GONE\nnext\n", "run a\nnext\n"),
        (lines.drop_word, "run a \\\n  GONE b \\\n  c\n", "run a \\\n  b \\\n  c\n"),
        (lines.drop_command, "a\n  GONE\nb\n", "a\nb\n"),
        (lines.drop_command, "RUN GONE\nb\n", "b\n"),
        (lines.drop_command, "RUN GONE && \\\n    b\n", "RUN b\n"),
        (lines.drop_command, "RUN a && \\\n    GONE\nb\n", "RUN a\nb\n"),
        (lines.drop_command, "a && GONE && b\n", "a && b\n"),
        (lines.drop_command, "a; GONE\n", None),
        (lines.drop_command, "GONE | b\n", None),
        (lines.drop_command, "GONE || b\n", None),
        (lines.drop_command, "if x; then\n  GONE\nfi\n", None),
        (lines.drop_command, "if x; then\n  GONE\n  b\nfi\n", "if x; then\n  b\nfi\n"),
        (lines.drop_command, "f() {\n  GONE\n}\n", None),
        (lines.drop_element, 'a = ["GONE", "b"]', 'a = ["b"]'),
        (lines.drop_element, 'a = ["b", "GONE"]', 'a = ["b"]'),
        (lines.drop_element, 'a = ["GONE"]', None),
        (lines.drop_element, 'a = [\n  "GONE",  # why\n  "b",\n]', 'a = [\n  "b",\n]'),
        (lines.drop_element, 'a = [\n  "b",\n  "GONE"\n]', 'a = [\n  "b",\n]'),
        (lines.drop_element, '[t]\nGONE = "1"  # why\nb = 2\n', "[t]\nb = 2\n"),
        (lines.drop_element, "{GONE: 1, b: 2}", "{b: 2}"),
        (lines.drop_element, "{key: GONE, b: 2}", "{b: 2}"),
        (lines.drop_member, '{"GONE": "1", "b": 2}', '{"b": 2}'),
        (lines.drop_member, '{\n  "GONE": 1,\n  "b": 2\n}', '{\n  "b": 2\n}'),
        (lines.drop_member, '{\n  "b": 2,\n  "GONE": 1\n}', None),
        (lines.drop_entry, "a:\n  - GONE\n  - b\n", "a:\n  - b\n"),
        (lines.drop_entry, "a:\n- GONE\n- b\n", "a:\n- b\n"),
        (lines.drop_entry, "a:\n- GONE\nb: 1\n", None),
        (lines.drop_entry, "a:\n  GONE:\n    c: 1\n  b: 1\n", "a:\n  b: 1\n"),
        (lines.drop_entry, "GONE:\n- 1\n\nb: 1\n", "\nb: 1\n"),
        (lines.drop_entry, "a:\n  # why\n  GONE: 1\nb: 1\n", None),
        (lines.drop_entry, "a: 1\nkey: GONE\n", "a: 1\n"),
        (lines.drop_entry, "- key: GONE\n  b: 1\n", None),
        (lines.drop_entry, "- a: 1\n  key: GONE\n", "- a: 1\n"),
        (lines.drop_entry, "a: [GONE, b]\n", "a: [b]\n"),
    ],
)
def test_what_goes(drop: Drop, before: str, expected: str | None) -> None:
    assert after(drop, before) == expected


NAME = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
JOINT = st.sampled_from([" ", "  ", " \\\n    ", "\t", " \\\r\n\t"])


@given(st.lists(st.tuples(NAME, JOINT), min_size=2, max_size=7), st.data())
def test_a_command_loses_one_word(words: list[tuple[str, str]], data: st.DataObject) -> None:
    text, starts = "", []
    for word, joint in words:
        starts.append(len(text))
        text += word + joint
    text = text[: len(text) - len(words[-1][1])] + "\nnext\n"
    gone = data.draw(st.integers(1, len(words) - 1))
    raw = text.encode()
    left = spliced(raw, lines.drop_word(raw, starts[gone], starts[gone] + len(words[gone][0])))
    assert left is not None
    read = [[word.value for word in command.words] for command in commands(View(left, 0, lambda _: 0))]
    assert read == [[word for i, (word, _) in enumerate(words) if i != gone], ["next"]]


TREE = st.recursive(
    st.integers(0, 9) | NAME,
    lambda inner: st.dictionaries(NAME, inner, min_size=1, max_size=4) | st.lists(inner, min_size=1, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAME, TREE, min_size=1, max_size=4), st.data())
def test_a_mapping_of_yaml_loses_one_key(tree: dict[str, object], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(tree)))
    renamed = {("GONE" if key == gone else key): value for key, value in tree.items()}
    before = yaml.safe_dump({"top": renamed, "end": 1}, sort_keys=False, indent=data.draw(st.sampled_from([2, 4])))
    left = after(lines.drop_entry, before)
    rest = {key: value for key, value in tree.items() if key != gone}
    assert (left is None) == (not rest)
    if left is not None:
        assert yaml.safe_load(left) == {"top": rest, "end": 1}


@pytest.mark.parametrize(
    ("before", "command", "expected"),
    [
        ("a\nGONE  # why\n", False, "a\n--extra-index-url https://i\nx==1.*\ny  # why\n"),
        ("    - GONE\n", False, "    - --extra-index-url https://i\n    - x==1.*\n    - y\n"),
        ("key: GONE\n", False, None),
        ("pip install GONE b", True, 'pip install "x==1.*" y --extra-index-url https://i b'),
    ],
)
def test_requirements_in_the_place_of_one(before: str, command: bool, expected: str | None) -> None:
    start = before.index("GONE")
    raw = before.encode()
    made = written(raw, start, start + 4, ["x==1.*", "y"], ["https://i"], command=command)
    assert spliced(raw, made) == expected


@pytest.mark.parametrize(
    ("option", "replaced"),
    [("-i https://c", True), ("--extra-index-url=https://c", True), ("--index https://c", False)],
)
def test_an_index_takes_the_place_of_options_that_name_one(option: str, replaced: bool) -> None:
    made = written(option.encode(), 0, len(option), [], ["https://i"], command=False)
    assert spliced(option.encode(), made) == ("--extra-index-url https://i" if replaced else None)
