"""What the commands of a script, a Dockerfile, a Makefile or a workflow say of CUDA.

Programs, launchers, containers, schedulers, and settings that any program takes on its command line. Installers are
in `porter.sources.files.installs`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from porter.index.site import Site, Statement
from porter.sources.files.images import image_name
from porter.sources.files.installs import install_sites, installed
from porter.sources.files.requirements import distribution, normalised
from porter.sources.files.shell import Command, commands
from porter.sources.files.values import is_cuda_variable, is_false, setting
from porter.sources.files.view import View, Word, names

# Programs of NVIDIA's, and launchers that start one process per GPU.
_PROGRAMS = names(
    """nvidia-smi nvidia-docker nvidia-debugdump nvidia-modprobe nvidia-persistenced nvidia-ctk nvidia-container-cli
    nvidia-cuda-mps-control nvidia-cuda-mps-server nvidia-settings nsys nsys-ui ncu ncu-ui nv-nsight-cu-cli
    nvprof nvvp cuda-gdb cuda-memcheck compute-sanitizer dcgmi nvtop gpustat trtexec trtllm-build trtllm-serve
    tritonserver torchrun deepspeed horovodrun"""
)
_COMPILERS = frozenset(["nvcc", "ptxas", "cuobjdump", "nvdisasm", "fatbinary", "nvlink"])
_LAUNCH_MODULES = frozenset(["torch.distributed.launch", "torch.distributed.run"])
_SCHEDULERS = names("sbatch srun salloc qsub bsub flux #SBATCH #PBS #BSUB #$ #OAR #COBALT")
_CONTAINERS = names("docker podman nerdctl docker-compose nvidia-docker singularity apptainer")
_PASSING = names("push tag rmi save load inspect manifest imagetools")  # what becomes of an image that is there
_MODULES = frozenset(["module", "ml"])
# Commands whose arguments are text or files: what they mention is not run.
_QUIET = names(
    """echo printf grep egrep fgrep rg sed awk cat ls rm cp mv mkdir cd pushd tee find git tar unzip wget curl ln
    chmod pkill killall"""
)

# What a command does, where words follow that say with what.
_VERBS = names("export declare typeset unset module ml load add sudo -x -gx")

IN_FOLDER = frozenset([".", "./", "setup.py"])  # what is installed from the folder that a script has gone to
_SETUP = frozenset(["install", "develop"])
_FOLDER = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=", re.ASCII)
_OPTION = re.compile(r"(?:--?|\+{0,2})([A-Za-z_][\w.-]*)(=?)", re.ASCII)
_EXPANSION = re.compile(r"\$\{?([A-Za-z_]\w*)\}?", re.ASCII)
_SLURM = re.compile(r"--gres=gpu|--gpus(?:-per-(?:node|task|socket))?|--gpu-bind|--mem-per-gpu|--cpus-per-gpu|-G|-gpu")
_PBS = re.compile(r"(?:^|[:,])n?gpus?=", re.ASCII)
_MODULE = re.compile(r"(?:.*/)?(cuda|cudatoolkit|cudnn|nccl|nvhpc)(?:$|[^a-z])", re.ASCII | re.IGNORECASE)
_TOOLKIT = re.compile(r"/usr/local/cuda(?![a-z])", re.ASCII)
_ARCHITECTURE = re.compile(r"-gencode|--gpu-architecture|-arch=(?:sm|compute)_", re.ASCII)


def scan_shell(view: View, seen: set[str] | None = None) -> Iterator[Site]:
    """The sites of a shell script, or of any part of a file that holds shell text. For ``seen`` see `command_sites`."""
    seen = set() if seen is None else seen
    script = list(commands(view))
    for command in script:
        yield from command_sites(view, command, seen)
    yield from _handed_on(view, script)
    yield from _from_sources(view, script)


def command_sites(view: View, command: Command, seen: set[str]) -> Iterator[Site]:
    """The sites of one simple command, which is their statement.

    The toolkit's folder is reported once a script, and an image that is built there not at all: ``seen`` remembers both
    from one command to the next.
    """
    programs = [word.value.rpartition("/")[2].removeprefix("@") for word in command.words]  # @ is make's
    statement = _statement(view, command, programs)
    for site in _command_sites(view, command, programs, seen):
        yield msgspec.structs.replace(site, statement=statement)


def _statement(view: View, command: Command, programs: list[str]) -> Statement | None:
    """The command as a statement, whose siblings are the words that say what it does its work on."""
    words = command.words
    if not words:
        return None
    found = installed(words, programs)
    if found is None:
        found = words[next((i for i, name in enumerate(programs) if name not in _VERBS), 0) :]
    start, end = view.base + words[0].start, view.base + words[-1].end
    return Statement(start, end, "List" if command.listed else "Command", siblings=len(found))


def _command_sites(view: View, command: Command, programs: list[str], seen: set[str]) -> Iterator[Site]:
    words = command.words
    yield from _environment(view, command, seen)
    if not words or programs[0] in _QUIET:
        return
    installs = list(install_sites(view, words, programs))
    if installs:
        yield from installs
    else:
        yield from _programs(view, words, programs)
        yield from _options(view, words, frozenset(programs), seen)


def _environment(view: View, command: Command, seen: set[str]) -> Iterator[Site]:
    """Variables that a command sets or reads, and paths into the CUDA toolkit."""
    given = False
    for i, word in enumerate(command.words):
        previous = command.words[i - 1].value if i else ""
        if match := _ASSIGNMENT.match(word.value):
            name, value = match[1], word.value[match.end() :]
            inner = _ASSIGNMENT.match(value) if " " not in value else None
            if inner is not None:  # visible="CUDA_VISIBLE_DEVICES=0", for a command to come
                name, value = inner[1], value[inner.end() :]
        elif previous in ("unset", "setenv"):
            name, value = word.value, ""
        else:
            name, value = "", ""
        if is_cuda_variable(name):
            yield view.site("environment", name, word.start, word.end, role="store", detail=value)
        elif is_cuda_variable(word.value):
            given = True  # the words behind it: ENV CUDA_HOME /usr/local/cuda
        elif "toolkit" not in seen and not given and _TOOLKIT.search(word.value):
            seen.add("toolkit")
            yield view.site("native", "/usr/local/cuda", word.start, word.end, detail=word.value)
    for variable in command.variables:
        if is_cuda_variable(variable.value):
            yield view.site("environment", variable.value, variable.start, variable.end, role="load")


def _programs(view: View, words: list[Word], programs: list[str]) -> Iterator[Site]:
    """Programs that a command runs, wherever they stand: behind sudo, srun, time, exec."""
    for i, (word, program) in enumerate(zip(words, programs, strict=True)):
        if program in _PROGRAMS:
            builds = program.endswith("-docker") and programs[i + 1 : i + 2] == ["build"]  # which is given no devices
            yield view.site("command", f"{program} build" if builds else program, word.start, word.end)
        elif program in _COMPILERS:
            asks = program == "nvcc" and [option.value for option in words[i + 1 :]] in (["-V"], ["--version"])
            yield view.site("native", "nvcc --version" if asks else "nvcc", word.start, word.end, detail=program)
        elif word.value in _LAUNCH_MODULES:
            yield view.site("command", f"python -m {word.value}", word.start, word.end)
        elif program == "launch" and i and programs[i - 1] == "accelerate":
            yield view.site("command", "accelerate launch", words[i - 1].start, word.end)
        elif programs[0] in _MODULES and (module := _MODULE.match(word.value)):
            yield view.site("command", f"module load {module[1].lower()}", word.start, word.end, detail=word.value)


class _Option(NamedTuple):
    """``--name=value``, ``--name value``, ``name=value`` or a lone ``--name``."""

    text: str  # --name, or name where it has no dashes
    name: str
    value: str
    start: int
    end: int
    joined: bool  # by an equals sign


def _read_option(word: Word, after: Word | None) -> _Option | None:
    match = _OPTION.match(word.value)
    if match is None or (match.end() < len(word.value) and not match[2]):
        return None
    text, name = word.value[: match.end(1)], match[1]
    if match[2]:
        return _Option(text, name, word.value[match.end() :].strip("\"'"), word.start, word.end, True)
    if not text.startswith("-"):
        return None
    if after is None or after.value.startswith("-"):
        return _Option(text, name, "", word.start, word.end, False)
    return _Option(text, name, after.value, word.start, after.end, False)


def _options(view: View, words: list[Word], programs: frozenset[str], seen: set[str]) -> Iterator[Site]:
    """What the arguments of a command ask for. An image that the script builds is its own: ``seen`` remembers it."""
    told = {word.value for word in words[:3]}
    in_container = not programs.isdisjoint(_CONTAINERS) and _PASSING.isdisjoint(told)
    tags = ("-t", "--tag") if "build" in told else ()  # of the image that is made
    in_scheduler = not programs.isdisjoint(_SCHEDULERS)
    for i, word in enumerate(words):
        option = _read_option(word, words[i + 1] if i + 1 < len(words) else None)
        if i > 0 and words[i - 1].value in tags:
            seen.add(f"image {word.value}")
        site = _container(view, word, option) if in_container and f"image {word.value}" not in seen else None
        if site is None and in_scheduler:
            site = _resource(view, word, option)
        if site:
            yield site
        elif _ARCHITECTURE.match(word.value):
            if programs.isdisjoint(_COMPILERS):  # else the compiler is the finding
                yield view.site("native", "-gencode", word.start, word.end, detail=word.value)
                return
        elif option and option.name.replace("-", "_") == "multi_gpu":
            if "accelerate" in programs:  # else it is the program's own
                end = option.start + len(option.text)
                yield view.site("command", "accelerate launch --multi_gpu", option.start, end)
        elif option and (i or option.text.startswith("-")) and (option.value or not option.joined):
            yield from _argument(view, option)


def _from_sources(view: View, script: list[Command]) -> Iterator[Site]:
    """What is installed from the folder that a script has gone to, by that folder: ``cd apex && pip install .``."""
    folder = ""
    for command in script:
        programs = [word.value.rstrip("/").rpartition("/")[2] for word in command.words]
        if programs[:1] in (["cd"], ["pushd"], ["popd"]):
            folder = "".join(programs[1:2])
        found = installed(command.words, programs) or []
        if programs[1:2] == ["setup.py"] and not _SETUP.isdisjoint(programs):
            found = command.words[1:2]
        here = next((word for word in found if word.value in IN_FOLDER), None)
        if here is not None and _FOLDER.fullmatch(folder):
            name = normalised(distribution(folder))
            site = view.site("requirement", name, here.start, here.end, detail=here.value)
            yield msgspec.structs.replace(site, statement=_statement(view, command, programs))


def _handed_on(view: View, script: list[Command]) -> Iterator[Site]:
    """Settings that options alone take, by a variable of the script: ``backend=nccl``, ``--backend $backend``."""
    given: dict[str, list[Word]] = {}
    taken: dict[str, list[_Option]] = {}
    uses: Counter[str] = Counter()
    statements: dict[int, Statement | None] = {}
    for command in script:
        uses.update(variable.value for variable in command.variables)
        for word, after in zip(command.words, [*command.words[1:], None], strict=True):
            if len(command.words) == 1 and (made := _ASSIGNMENT.match(word.value)):
                given.setdefault(made[1], []).append(word)
                statements[word.start] = _statement(view, command, [word.value])
            elif (option := _read_option(word, after)) and (read := _EXPANSION.fullmatch(option.value)):
                taken.setdefault(read[1], []).append(option)
    for name, options in taken.items():
        words = given.get(name, [])
        if len(words) != 1 or uses[name] != len(options) or len({option.name for option in options}) != 1:
            continue
        word = words[0]
        told = options[0]._replace(value=word.value.partition("=")[2], start=word.start, end=word.end, joined=True)
        for site in _argument(view, told):
            if site.kind == "config":
                yield msgspec.structs.replace(site, statement=statements[word.start], detail=name)


def _container(view: View, word: Word, option: _Option | None) -> Site | None:
    if option is None:
        image = image_name(word.value) if ":" in word.value or "/" in word.value else None
        return view.site("container", image, word.start, word.end) if image else None
    if option.text in ("--gpus", "--nv"):
        return view.site("container", option.text, option.start, option.end if option.text == "--gpus" else word.end)
    if option.text == "--runtime" and option.value == "nvidia":
        return view.site("container", "--runtime=nvidia", option.start, option.end)
    return None


def _resource(view: View, word: Word, option: _Option | None) -> Site | None:
    if _PBS.search(word.value):
        return view.site("resource", "ngpus", word.start, word.end, detail=word.value)
    if option is None:
        return None
    if option.name == "container-image" and (image := image_name(option.value)):
        return view.site("container", image, option.start, option.end)
    name = "--gres=gpu" if option.text == "--gres" and option.value.startswith("gpu") else option.text
    if _SLURM.fullmatch(name):
        return view.site("resource", name, option.start, option.end, detail=option.value)
    return None


def _argument(view: View, option: _Option) -> Iterator[Site]:
    """A setting given to any program: --device cuda, trainer.accelerator=gpu, --fp16."""
    key = option.name.rpartition(".")[2].replace("-", "_")
    if key == "nproc_per_node":
        yield view.site("command", f"torchrun --nproc_per_node={option.value}", option.start, option.end)
        return
    found, end = setting((key,), option.value), option.end
    if found is None and not option.joined and not is_false(option.value):
        found, end = setting((key,), ""), option.start + len(option.text)  # a switch
    if found:
        yield view.site(
            "config", found.name, option.start, end, place=f"k:{key}", detail=option.text, certain=found.certain
        )
