"""Stand-ins for NVIDIA's libraries, so that PyTorch's CUDA build imports on a machine without them.

The only PyTorch 2.9 on PyPI for Linux is built for CUDA, and with NVIDIA's libraries takes 7.1 GB. Its shared objects
need these libraries to be there when it is imported, but call nothing in them as long as no CUDA device is found. So
each is replaced by a library of a few kilobytes with the symbols that PyTorch refers to, all of which say that there is
no device. Needs gcc, and readelf and nm of the binutils.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

TOOLS = ("gcc", "readelf", "nm")
NO_DEVICE = 100  # cudaErrorNoDevice; in the other libraries an error, too
LIBRARY = re.compile(r"lib(?:cu|nccl|nvshmem)[A-Za-z_]*\.so(?:\.\d+)*")
LOADED_LATER = ("libcaffe2_nvrtc.so",)  # wants NVIDIA's driver, and is opened only once there is a device

# Libraries whose symbols carry another version than the library's name, or none: by how the symbols begin.
PREFIXES: Mapping[str, str] = {
    "cusparseLt": "libcusparseLt",
    "curand": "libcurand",
    "cuFile": "libcufile",
    "cupti": "libcupti",
    "nccl": "libnccl",
    "nvshmem": "libnvshmem_host",
}
BODIES: Mapping[str, str] = {
    "cudaGetDeviceCount": f"int cudaGetDeviceCount(int *count) {{ *count = 0; return {NO_DEVICE}; }}",
    "cudaGetLastError": "int cudaGetLastError(void) { return 0; }",
    "cudaPeekAtLastError": "int cudaPeekAtLastError(void) { return 0; }",
}


class StubError(RuntimeError):
    """The libraries cannot be made. The message says why."""


def missing_tools() -> list[str]:
    """The programs that are needed and not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def build(folder: Path) -> list[str]:
    """Make the libraries that the shared objects in ``folder`` (PyTorch's ``torch/lib``) need and put them beside them.

    Returns:
        Their names.

    Raises:
        StubError: a tool is missing or fails.
    """
    objects = [file for file in sorted(folder.glob("*.so*")) if file.name not in LOADED_LATER]
    needed = {name for file in objects for name in _needed(file) if not (folder / name).exists()}
    symbols = _by_library((symbol for file in objects for symbol in _undefined(file)), needed)
    for library in sorted(needed):
        _compile(folder / library, symbols.get(library, {}))
    return sorted(needed)


def _needed(file: Path) -> list[str]:
    return [
        name for name in re.findall(r"\(NEEDED\).*\[(.+)\]", _run("readelf", "-d", file)) if LIBRARY.fullmatch(name)
    ]


def _undefined(file: Path) -> Iterable[tuple[str, str]]:
    """Symbol and version (empty if it has none) of everything that a shared object expects of others."""
    lines = _run("nm", "-D", "--undefined-only", "--with-symbol-versions", file).splitlines()
    for name in (line.split()[-1] for line in lines if line.strip()):
        symbol, _, version = name.partition("@")
        yield symbol, version.lstrip("@")


def _by_library(symbols: Iterable[tuple[str, str]], libraries: set[str]) -> dict[str, dict[str, set[str]]]:
    """Symbols by library and version. The versions are the libraries' names, mostly."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    stems = {library.partition(".")[0]: library for library in libraries}
    for symbol, version in symbols:
        library: str | None = version
        if version not in libraries:
            library = stems.get(next((stem for prefix, stem in PREFIXES.items() if symbol.startswith(prefix)), ""))
        if library:
            found[library][version].add(symbol)
    return found


def source(symbols: Iterable[str]) -> str:
    """C code for functions of these names."""
    return "\n".join(_function(symbol) for symbol in sorted(symbols)) + "\n"


def _function(symbol: str) -> str:
    if symbol in BODIES:
        return BODIES[symbol]
    if symbol.endswith(("ErrorString", "ErrorName", "StatusString", "StatusName")):
        return f'const char *{symbol}(void) {{ return "no CUDA library: a stand-in of porter"; }}'
    status = 0 if symbol.startswith("__cuda") else NO_DEVICE  # those register kernels, while PyTorch is loaded
    return f"long {symbol}(void) {{ return {status}; }}"


def version_script(versions: Mapping[str, Iterable[str]]) -> str:
    """The linker's script that gives symbols the versions under which PyTorch asks for them."""
    tagged = sorted((version, sorted(names)) for version, names in versions.items() if version)
    return "".join(f"{version} {{ global: {'; '.join(names)}; }};\n" for version, names in tagged)


def _compile(library: Path, versions: Mapping[str, Iterable[str]]) -> None:
    code = library.with_name(f".{library.name}.c")
    script = library.with_name(f".{library.name}.map")
    fresh = library.with_name(f".{library.name}.tmp")
    try:
        code.write_text(source({symbol for names in versions.values() for symbol in names}), encoding="ascii")
        script.write_text(version_script(versions), encoding="ascii")
        linker = [f"-Wl,-soname,{library.name}"]
        if any(versions):
            linker.append(f"-Wl,--version-script={script}")
        _run("gcc", "-shared", "-fPIC", "-O1", "-w", "-fno-builtin", *linker, "-o", fresh, code)
        fresh.replace(library)
    finally:
        code.unlink(missing_ok=True)
        script.unlink(missing_ok=True)


def _run(*command: str | Path) -> str:
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    except OSError as error:
        raise StubError(f"cannot run `{command[0]}`: {(error.strerror or str(error)).lower()}") from error
    except subprocess.CalledProcessError as error:
        raise StubError(f"`{command[0]}` failed: {error.stderr.strip()[-500:]}") from error
    return done.stdout
