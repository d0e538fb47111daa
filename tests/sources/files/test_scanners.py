"""The scanners on what nobody wrote by hand: any text, in bounded time, with sites that lie where they say."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter.index.site import KINDS, Site
from porter.sources import files
from porter.sources.source import Fragment, Source

ALL_KINDS = [*files.SCANNERS, "native"]

# What the grammars are made of, so that chance meets their corners.
PIECES = (
    *('"', "'", "`", "$(", "${", "(", ")", "{", "}", "[", "]", "[[", "]]", ":", ": ", "=", ",", ";", "&", "|", ">"),
    *("\n", "\r\n", "\r", "\t", " ", "\\\n", "\\", "#", "- ", "|\n", "<<A", "A\n", '"""', "'''", "/*", "*/", "//"),
    *("bash -c ", "pip install ", "docker run ", "FROM ", "RUN ", "ENV A=", "project(", "find_package(", "<<<", 'R"('),
    *("cuda", "cuda:0", "nccl", "nvidia-smi", "--device ", "CUDA_HOME", "$X", "torch+cu118", "https://x/cu118"),
    *("image: ", "é", "\0"),
)
SLOW = ('"', "'", "$(", "`", "[", "{", "<<A\n", "a: [\n", '"\n', "/*", "http://", "_", " ", "bash -c '", "RUN \\\n")
text = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


def source(kind: str, content: str | bytes) -> Source:
    raw = content if isinstance(content, bytes) else content.encode()
    return Source(path="case.cu" if kind == "native" else "case", raw=raw, text=raw, kind=kind)


def found(kind: str, content: str) -> list[tuple[int, str, str]]:
    return [(site.line, site.kind, site.name) for site in files.scan(source(kind, content))]


def assert_in_place(site: Site, file: Source) -> None:
    assert site.kind in KINDS
    assert 0 <= site.start <= site.end <= len(file.text)
    assert site.line == file.line(site.start)
    assert site.name


@pytest.mark.parametrize("kind", ALL_KINDS)
@settings(max_examples=100, deadline=None)
@given(text)
def test_any_text_is_read(kind: str, text: str) -> None:
    file = source(kind, text.encode("utf-8", "replace"))
    sites = files.scan(file)
    assert sites == sorted(sites, key=lambda site: (site.start, site.end))
    for site in sites:
        assert_in_place(site, file)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read(raw: bytes) -> None:
    for kind in ALL_KINDS:
        files.scan(source(kind, raw))


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_time_grows_with_length_and_not_faster(kind: str) -> None:
    """20 kB of each piece: well below a second if every byte is looked at once, minutes if each looks at all others."""
    started = time.process_time()
    for piece in SLOW:
        files.scan(source(kind, piece * (20_000 // len(piece))))
    assert time.process_time() - started < 5


def test_kernels_in_a_large_file_are_one_finding_a_family() -> None:
    kernel = "__global__ void f(float* x) { x[threadIdx.x] *= 2; }\nvoid g() { f<<<1, 1>>>(0); cudaFree(0); }\n"
    assert found("native", kernel * 500) == [
        (1, "native", "__global__"),
        (2, "native", "<<<>>>"),
        (2, "native", "cudaMalloc"),
    ]


def test_offsets_are_bytes() -> None:
    file = source("yaml", "# grün\nnäme: ü  # €\ndevice: cuda\n")
    (site,) = files.scan(file)
    assert file.text[site.start : site.end] == b"cuda"
    assert site.line == 3


def test_details_are_shown_as_written() -> None:
    (site,) = files.scan(source("requirements", "flash-attn @ https://example.com/größe/flash.whl\n"))
    assert site.detail == "flash-attn @ https://example.com/größe/flash.whl"


def test_line_ends_of_windows() -> None:
    assert found("shell", "nvidia-smi\r\npython train.py \\\r\n  --device cuda\r\n") == [
        (1, "command", "nvidia-smi"),
        (3, "config", "device: cuda"),
    ]
    assert found("docker", "FROM nvidia/cuda:12 \\\r\n  AS build\r\nFROM build\r\n") == [
        (1, "container", "nvidia/cuda:12")
    ]
    assert found("yaml", "device: cuda\r\n") == [(1, "config", "device: cuda")]


def test_place_of_a_value_is_its_last_key() -> None:
    device, other = files.scan(source("yaml", "model:\n  device: cuda\n  flavour: cuda\n"))
    assert (device.place, device.certain, device.detail) == ("k:device", True, "model.device")
    assert (other.place, other.certain) == ("k:flavour", False)


def test_other_languages_in_a_notebook() -> None:
    text = b"                      \nx = 1\n"
    shell = b"pip install flash-attn"
    notebook = Source("case.ipynb", text, text, "notebook", fragments=(Fragment("shell", 0, shell),))
    (site,) = files.scan(notebook)
    assert (site.kind, site.name, site.start, site.line) == ("requirement", "flash-attn", 12, 1)


def test_a_vocabulary_holds_no_settings() -> None:
    words = ", ".join(f'"word{i}": {i}' for i in range(2000))
    assert found("json", f'{{"gpus": 8, "words": {{"gpu": 4, {words}}}}}') == [(1, "config", "gpus: 8")]


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_an_empty_file_holds_nothing(kind: str) -> None:
    sites = files.scan(source(kind, ""))
    assert [site.name for site in sites] == (["*.cu"] if kind == "native" else [])
