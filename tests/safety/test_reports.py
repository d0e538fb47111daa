"""One corpus of names and messages that would steer what reads them, through every format and every command's talk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from markdown_it import MarkdownIt

from porter.config import load
from porter.engine import Report
from porter.model import Problem, Verdict
from porter.report import CHECK_FORMATS, SCAN_FORMATS, STATISTICS, renderer
from porter.report.view import View
from porter.verify.outcome import Outcome
from porter.verify.outcome import Verdict as Proved
from porter.verify.report import junit as proof_as_junit
from porter.verify.report import text as proof_as_text
from porter.verify.report.model import Report as Proof
from tests.cli.sample import finding

NASTY = (
    "\x1b]0;title\x07",  # terminals: the title, the screen, colours, the direction of text
    "\x1b[2J\x1b[1;31m",
    "\x9b31m\x90q\x9c",
    "\u202etxt.exe\u2066\u200f",
    "\r::error::x",  # logs: workflow commands of GitHub, sections of GitLab, Azure and TeamCity
    "\n::set-output name=x::y",
    "\n  ::add-mask::y",
    "##[group]x ##vso[task.setvariable]y",
    "\nsection_start:1:x\r\x1b[0K",
    "##teamcity[x]",
    "\u2028::error::x\u2029\x85\x0b\x0c",
    "%0A::error::x%0D",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",  # pages
    "</details></summary></code></pre></sub><!-- --> <!-- porter check -->",
    "&lt;b&gt;&#60;b&#62;",
    "![x](http://e.example/p.png) [y](javascript:alert(1)) <http://e.example> [z]: http://e.example",
    "`` ` ``` ~~~ </code>",
    "@everyone @team/x #1 !2 GH-3 $x$",
    "| a | b |\n|---|---|",
    "\n\n# heading\n\n- item\n> quote\n    code",
    "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>",  # files
    '"},{"x":"',
    "=cmd|' /C calc'!A0",
    "${{ github.token }} $(touch x) `touch x` {{x}}",
    "../../../../etc/passwd",
    "-rf",
    "\ufeff\x00\x7f\xad\u200b\ue000",
)
OURS = {
    *("<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<code>", "</code>"),
    "<!-- porter check -->",
}
MACHINES = ("json", "jsonl", "sarif", "gitlab", "rdjson")  # in which a name must arrive as it is
ALL = [*((CHECK_FORMATS, n) for n in CHECK_FORMATS), *((SCAN_FORMATS, n) for n in SCAN_FORMATS)]
_LINES = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")  # whatever anybody takes for the end of one
_COMMAND = re.compile(r"\s*(?:::|section_(?:start|end):)")


def nasty_report(words: str) -> Report:
    """Everything that a file has a say in, says ``words``."""
    text = "import torch\nt.cuda()\n"
    found = []
    for verdict in Verdict:
        one = finding("a.py", text, "t.cuda()", verdict=verdict)
        changed = {"path": words, "message": f"`{words}` {words}", "advice": f"{words}. `{words}`"}
        found.append(msgspec.structs.replace(one, **changed, symbol=words, text=words))
    return Report(findings=found, problems=[Problem(words, words), Problem("a.py", words, 3)], files=2, lines=4)


def rendered(formats: object, name: str, words: str, *, color: bool = False) -> str:
    settings = load(isolated=True, overrides={"cache": False})
    view = View(
        settings, color=color, paths=(words,), contents={words: f"# {words}\n{words}\n".encode(errors="replace")}
    )
    return "".join(renderer(formats, name)(nasty_report(words), view))  # type: ignore[arg-type]


def steering(text: str) -> list[str]:
    """What of a text is not to be printed, or begins a line as a command."""
    joined = text.replace("\N{WORD JOINER}", "")  # ours
    bad = [repr(char) for char in joined if not char.isprintable() and char != "\n"]
    lines = [line for line in _LINES.split(text) if _COMMAND.match(line) or "##[" in line]
    return bad + lines


@pytest.mark.parametrize("words", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize(("formats", "name"), ALL, ids=[f"{n}-{len(f)}" for f, n in ALL])
def test_no_format_steers_who_reads_it(formats: dict[str, str], name: str, words: str) -> None:
    text = rendered(formats, name, words)
    if name in MACHINES:
        for document in text.split("\n")[:-1] if name == "jsonl" else [text]:
            json.loads(document)
        assert not [char for char in text if ord(char) < 32 and char != "\n"]
        assert not [line for line in text.split("\n") if _COMMAND.match(line)]
        return
    if name == "github":  # made of commands, but of ours alone
        own = re.compile(r"::(?:error|notice|warning) [^\n]*\n|::(?:end)?group::[^\n]*\n|- [^\n]*\n")
        assert own.sub("", text) == ""
        text = text.replace("::", "")
    assert steering(text) == []
    if name == "junit":
        assert len(ElementTree.fromstring(text).findall(".//testcase")) == len(Verdict) + 2
    if name == "markdown":
        assert markup_of(text) <= OURS


def markup_of(text: str) -> set[str]:
    """The raw HTML in a page of Markdown; no link and no picture may be in it."""
    found = set()
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                found |= set(re.findall(r"<[^>]*>", part.content))
            assert part.type not in ("image", "link_open")
            if part.type == "text":
                assert not re.search(r"(?<!\w)[@#]\w", part.content), "nobody is called"
    return found


@pytest.mark.parametrize("words", NASTY, ids=range(len(NASTY)))
def test_colours_are_the_only_escapes(words: str) -> None:
    for formats, name in (*ALL, (STATISTICS, "statistics")):
        if name in ("full", "concise", "grouped", "text"):
            text = re.sub(r"\x1b\[[\d;]*m|\x1b\]8;[^\x1b]*\x1b\\", "", rendered(formats, name, words, color=True))
            assert steering(text) == []


@pytest.mark.parametrize("words", NASTY, ids=range(len(NASTY)))
def test_proofs_steer_nothing(words: str) -> None:
    failed = Outcome(suite=words, case=words, backend="sim", verdict=Proved.FAIL, reason=words, detail=words)
    proof = Proof()
    skipped = msgspec.structs.replace(failed, verdict=Proved.UNVERIFIED, backend="neuron")
    proof.add([failed, skipped], require=["neuron"])
    assert steering(proof_as_text.render(proof, width=100, color=False, verbose=True)) == []
    assert ElementTree.fromstring(proof_as_junit.render(proof)).findall(".//testcase")


COMMANDS = ("check", "scan", "rewrite --diff", "rewrite --write", "check -v", "check --add-ignore x")
NAMES = [words for words in NASTY if "\x00" not in words and "/" not in words]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_steers_a_terminal(command: str, tmp_path: Path) -> None:
    """Files by all these names: readable, broken, locked, missing, in folders and as settings."""
    tree = tmp_path / NAMES[1]
    tree.mkdir()
    for words in NAMES:
        folder = tree / f"{words} dir"
        folder.mkdir()
        for path in (tree / f"{words}.py", folder / "a.py"):
            path.write_text(f"import torch\nd = torch.device('cuda')  # {words!r} {words}\n", "utf-8", "replace")
        (tree / f"{words} broken.py").write_bytes(b"import torch\nd = (torch.cuda\n")
        (tree / f"{words} nul.py").write_bytes(b"import torch\ntorch.cuda\0")
        (tree / f"{words}.ipynb").write_text("{cuda")
        (tree / f"{words} requirements.txt").write_text(f"torch==2.0+cu118 # {words!r}\nnvidia-{words!r}\n")
    named = [str(tree / f"{words}.py") for words in NAMES]
    line = [sys.executable, "-m", "porter", *command.split(), "--no-cache", ".", *named]
    done = subprocess.run(line, cwd=tree, capture_output=True, check=False, timeout=100)
    said, out = done.stderr.decode(), done.stdout.decode()
    assert "internal error" not in said
    assert steering(said) == []
    assert len(said + out) > 100
    if "--diff" not in command:  # a patch holds the files as they are
        assert steering(out) == []


SETTINGS = (
    '"\\u001b[2J\\n::error::x" = 1',
    'select = ["\\u001b[2J\\n::error::x"]',
    "x = \x1b[2J",
    'exclude = ["[\\u001b"]',
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_steer_nothing(settings: str, tmp_path: Path) -> None:
    tree = tmp_path / "\x1b[2J\n::error::x"
    tree.mkdir()
    (tree / "porter.toml").write_text(settings)
    (tree / "a.py").write_text("import torch\ntorch.cuda.synchronize()\n")
    done = subprocess.run([sys.executable, "-m", "porter", "check", "."], cwd=tree, capture_output=True, check=False)
    assert done.returncode in (1, 2)
    assert steering(done.stderr.decode()) == []
