"""Texts by line and by byte, against the simplest thing that could be right."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("pygls", reason="the language server needs the extra lsp")

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from porter.lsp.texts import Text

CHARACTERS = st.text(st.sampled_from("ab\n\r\té漢😀𐐷\f\v\u2028\x85\ufeff"), max_size=30)
ENCODINGS = st.sampled_from(["utf-8", "utf-16", "utf-32"])


def units(text: str, encoding: str) -> int:
    return (
        len(text.encode("utf-8"))
        if encoding == "utf-8"
        else len(text.encode(f"{encoding}-le")) * 8 // int(encoding[4:])
    )


def position(text: str, index: int, encoding: str) -> types.Position:
    """Where the character is that follows ``index`` others."""
    before = re.split(r"\r\n|\n|\r", text[:index])
    if text[index - 1 : index + 1] == "\r\n":  # between the two: the end of their line
        before = re.split(r"\r\n|\n|\r", text[: index - 1])
    return types.Position(len(before) - 1, units(before[-1], encoding))


def text_of(content: str, encoding: str = "utf-16") -> Text:
    return Text.opened(types.TextDocumentItem("file:///a.py", "python", 1, content), encoding)


@given(CHARACTERS, ENCODINGS, st.data())
def test_positions_lead_there_and_back(content: str, encoding: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(content)))
    text, byte = text_of(content, encoding), len(content[:index].encode())
    place = position(content, index, encoding)
    inside_newline = content[index - 1 : index + 1] == "\r\n"
    assert text.offset(place) == byte - inside_newline
    if not inside_newline:
        assert text.position(byte) == place


@given(CHARACTERS, CHARACTERS, ENCODINGS, st.data())
def test_changes_are_made_where_the_client_means(content: str, new: str, encoding: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    if "\r\n" in (content[start - 1 : start + 1], content[end - 1 : end + 1]):
        return  # no client means that
    places = types.Range(position(content, start, encoding), position(content, end, encoding))
    changed = text_of(content, encoding).changed(2, [types.TextDocumentContentChangePartial(places, new)])
    assert changed.raw.decode() == content[:start] + new + content[end:]
    assert changed.version == 2


@given(CHARACTERS, ENCODINGS, st.data())
def test_lines_and_columns_are_those_of_findings(content: str, encoding: str, data: st.DataObject) -> None:
    content = content.removeprefix("\ufeff")
    index = data.draw(st.integers(0, len(content)))
    before = re.split(r"\r\n|\n|\r", content[:index])
    if content[index - 1 : index + 1] == "\r\n":
        return
    assert text_of(content, encoding).place(len(before), len(before[-1]) + 1) == position(content, index, encoding)


def test_beyond_the_end() -> None:
    text = text_of("a\nbc")
    assert text.offset(types.Position(0, 99)) == 1
    assert text.offset(types.Position(9, 0)) == 4
    assert text.place(9, 1) == types.Position(1, 2)


def test_several_changes_are_made_one_after_the_other() -> None:
    def insert(line: int, character: int, new: str) -> types.TextDocumentContentChangePartial:
        here = types.Position(line, character)
        return types.TextDocumentContentChangePartial(types.Range(here, here), new)

    whole = types.TextDocumentContentChangeWholeDocument("b")
    assert text_of("x").changed(2, [whole, insert(0, 0, "a\n"), insert(1, 1, "c")]).raw == b"a\nbc"


def test_half_a_surrogate_pair_breaks_nothing() -> None:
    text = text_of("a\ud83d = 1\n")
    assert text.raw == b"a? = 1\n"


def test_a_byte_order_mark_is_no_column_of_findings_but_one_of_the_clients() -> None:
    assert text_of("\ufeffab").place(1, 2) == types.Position(0, 2)
    assert text_of("\ufeffab\nab").place(2, 2) == types.Position(1, 1)
