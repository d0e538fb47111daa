"""Dockerfiles: base images, variables, and the shell text of their instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from porter.index.site import Site
from porter.sources.files.commands import command_sites, scan_shell
from porter.sources.files.images import image_name
from porter.sources.files.shell import Command, commands
from porter.sources.files.tree import read_json
from porter.sources.files.values import is_cuda_variable
from porter.sources.files.view import BLANKS, View, Word

_INSTRUCTION = re.compile(r"[ \t]*([A-Za-z]+)[ \t]+", re.ASCII)
_HEREDOC = re.compile(r"<<-?[ \t]*[\"']?([A-Za-z_]\w*)", re.ASCII)
_COMMENT_LINE = re.compile(r"^[ \t]*#[^\n]*\n?", re.ASCII | re.MULTILINE)
_WORD = re.compile(r"[^\s\\]+", re.ASCII)
_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^{}]*))?\})", re.ASCII)
_COMMANDS = frozenset(["RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD"])


def scan_docker(view: View) -> Iterator[Site]:
    """The sites of a Dockerfile, each in the scope of its stage, as that is named."""
    stage = ""
    values: dict[str, str] = {}  # of ARG and ENV
    stages = {"scratch"}
    seen: set[str] = set()
    for name, part in instructions(view):
        if name == "FROM":
            stage = _stage(part)
        for site in _instruction_sites(name, part, values, stages, seen):
            yield msgspec.structs.replace(site, scope=stage)


def _stage(part: View) -> str:
    words = part.text.split()
    return words[-1] if len(words) > 2 and words[-2].lower() == "as" else ""


def _instruction_sites(
    name: str, part: View, values: dict[str, str], stages: set[str], seen: set[str]
) -> Iterator[Site]:
    if name == "FROM":
        yield from _base(part, values, stages)
    elif name in ("ARG", "ENV"):
        yield from _variables(part, values, seen)
    elif name == "COPY":
        for word in _WORD.finditer(part.text):
            if word.group().startswith("--from="):
                yield from _image(part, Word(word.group()[7:], word.start() + 7, word.end()), values)
    elif name in _COMMANDS and part.text.startswith("["):
        words = [Word(item.value, item.start, item.end) for item in read_json(part.text)]
        yield from command_sites(part, Command(words, [], listed=True), seen)
    elif name in _COMMANDS:
        yield from scan_shell(part, seen)


def instructions(view: View) -> Iterator[tuple[str, View]]:
    """Every instruction with its arguments. Comment lines in them are blanked out, as Docker does."""
    lines = list(view.lines())
    at = 0
    while at < len(lines):
        first = lines[at]
        match = _INSTRUCTION.match(first.value)
        at = _end_of_instruction(lines, at) if match else at + 1
        if match:
            start, end = first.start + match.end(), lines[at - 1].end
            text = _COMMENT_LINE.sub(lambda line: " " * len(line.group()), view.text[start:end])
            yield match[1].upper(), view.cut(start, end, text)


def _end_of_instruction(lines: list[Word], at: int) -> int:
    """The number of the line behind the instruction that begins on line ``at``: continuations, here documents."""
    tags: list[str] = []
    continued = True
    while continued and at < len(lines):
        line = lines[at].value.strip(BLANKS)
        if line and line[0] != "#":
            continued = line.endswith("\\")
            tags += _HEREDOC.findall(line)
        at += 1
    for tag in tags:
        while at < len(lines) and lines[at].value.strip(BLANKS) != tag:
            at += 1
        at += 1
    return min(at, len(lines))


def _base(part: View, values: dict[str, str], stages: set[str]) -> Iterator[Site]:
    """The image of ``FROM [--platform=...] IMAGE [AS STAGE]``, unless it is an earlier stage."""
    words = [Word(m.group(), *m.span()) for m in _WORD.finditer(part.text) if not m.group().startswith("--")]
    if words and words[0].value.lower() not in stages:
        yield from _image(part, words[0], values)
    if stage := _stage(part):
        stages.add(stage.lower())


def _image(part: View, word: Word, values: dict[str, str]) -> Iterator[Site]:
    """The site of an image, the values of its variables put in."""

    def value(reference: re.Match[str]) -> str:
        return values.get(reference[1] or reference[2]) or reference[3] or reference[0]

    image = _REFERENCE.sub(value, word.value)
    if name := image_name(image):
        yield part.site("container", name, word.start, word.end, detail=image)


def _variables(part: View, values: dict[str, str], seen: set[str]) -> Iterator[Site]:
    """The variables of ``ENV NAME=VALUE ...``, which reads as shell assignments, or of the older ``ENV NAME VALUE``."""
    yield from scan_shell(part, seen)
    for command in commands(part):
        for word in command.words:
            name, equals, value = word.value.partition("=")
            if equals:
                values.setdefault(name, value)
        if command.words and "=" not in command.words[0].value and len(command.words) > 1:
            word = command.words[0]
            if is_cuda_variable(word.value):
                yield part.site("environment", word.value, word.start, word.end, role="store")
