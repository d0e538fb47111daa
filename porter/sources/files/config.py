"""What the values of YAML, JSON and TOML say of CUDA: settings, variables, images, resources, and commands in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from porter.index.site import Site
from porter.sources.files.commands import command_sites, scan_shell
from porter.sources.files.images import image_name
from porter.sources.files.requirements import requirement_at
from porter.sources.files.shell import Command
from porter.sources.files.toml import read_toml
from porter.sources.files.tree import Item, Path, read_json
from porter.sources.files.values import is_cuda_variable, setting
from porter.sources.files.view import View, Word, names
from porter.sources.files.yaml import read_yaml

# Keys whose value is shell text, and those whose list is one command, word by word.
_SCRIPTS = names(
    """run script before_script after_script setup setup_script commands cmd command args entrypoint shell launch_cmd
    before_install install post_create_command postcreatecommand test_command build_command"""
)
_WORDS = frozenset(["command", "args", "cmd", "entrypoint", "argv"])
_PACKAGES = frozenset(["pip", "pip_packages", "python_packages"])  # what pip installs: Cog, Ray
_SHELL = re.compile(r"\s*#![^\n]*\b(?:ba|da|k|z)?sh\b", re.ASCII)  # the first line of a script
_IMAGES = re.compile(r"(?:.*[_-])?(?:image|container|image_uri|base|docker)", re.ASCII)
_SETTINGS = 1000  # keys of one mapping: one of more is a table of data
_CLASSES = frozenset(["_component_", "_target_", "class_path"])  # what a program imports and calls: torchtune, Hydra
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)
_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]*)=", re.ASCII)
# Keys of mappings that hold variables, and of those that stand for them: a matrix of builds, a ConfigMap's data.
_VARIABLES = re.compile(r"(?i:.*(?:env|variable|args|matrix|include))|vars|(?:string)?[dD]ata", re.ASCII)
_RESOURCE = re.compile(r"nvidia\.com/[\w.-]+", re.ASCII)
_CALLED = re.compile(r"\w\(\[?\\?[\"'](nvidia-smi)\b", re.ASCII)  # ${eval:"__import__('os').popen('nvidia-smi -L')"}
_INSTANCE = re.compile(r"(?:ml\.)?((?:p[2-6]|g[3-7])\w*\.(?:\w+))", re.ASCII)
_ACCELERATOR = re.compile(r"(?:nvidia|NVIDIA)[-_]\w[\w-]*|(?:tesla-)?[ABHKLPTV]\d{1,3}[\w-]*(?::\d+)?", re.ASCII)


def scan_yaml(view: View) -> Iterator[Site]:
    """YAML: configurations, workflows, Compose files, manifests of Kubernetes."""
    return scan_items(view, read_yaml(view.text))


def scan_json(view: View) -> Iterator[Site]:
    """JSON: configurations of DeepSpeed and Accelerate, dev containers, job definitions; not tables, as of words."""
    keys = Counter(item.path[:-1] for item in read_json(view.text)) if len(view.text) > 10 * _SETTINGS else Counter()
    return scan_items(view, (item for item in read_json(view.text) if keys[item.path[:-1]] <= _SETTINGS))


def scan_toml(view: View) -> Iterator[Site]:
    """TOML configurations."""
    return scan_items(view, read_toml(view.text))


def scan_items(view: View, items: Iterable[Item]) -> Iterator[Site]:
    """The sites of a tree of values."""
    reserved: set[Path] = set()  # mappings that name NVIDIA's driver: their capabilities are the same request
    for path, group in groupby(items, key=lambda item: item.path):
        elements = list(group)
        key = elements[0].key.value.lower()
        if key == "driver" and elements[0].value == "nvidia":
            reserved.add(path[:-1])
        if len(elements) > 1 and key in _WORDS and not any(item.block for item in elements):
            words = [Word(item.value, item.start, item.end) for item in elements]
            yield from command_sites(view, Command(words, [], listed=True), set())
            elements = [item for item in elements if " " in item.value]  # ["bash", "-c", "python train.py"]
        if len(elements) > 1 and all(item.value.isdecimal() for item in elements):
            elements = [_as_one(view, elements)]
        for item in elements:
            if key != "capabilities" or path[:-1] not in reserved:
                yield from item_sites(view, item)


def _as_one(view: View, numbers: list[Item]) -> Item:
    """A list of numbers, which is one setting: ``gpu_ids: [0, 1]``. Of one over several lines, the first stands."""
    first, last = numbers[0], numbers[-1]
    end = first.end if "\n" in view.text[first.start : last.end] else last.end
    return first._replace(value=",".join(number.value for number in numbers), end=end)


def item_sites(view: View, item: Item) -> Iterator[Site]:
    """The sites of one value and its key."""
    key, scope = item.path[-1] if item.path else "", ".".join(item.path[:-1])
    if key.lower() in _SCRIPTS:
        yield from scan_shell(view.cut(item.start, item.end))
    elif item.block:
        if key.endswith(".sh") or _SHELL.match(item.value):
            yield from scan_shell(view.cut(item.start, item.end))
    elif key in _PACKAGES:
        yield from requirement_at(view, item.start, item.end)
    elif key in _CLASSES and _DOTTED.fullmatch(item.value):
        yield view.site("symbol", item.value, item.start, item.end, role="text", scope=scope)
    elif variable := _variable(item, key):
        detail = item.value
        yield view.site("environment", *variable, role="store", scope=scope, detail=detail)
    elif name := _resource(item, key):
        start, end = (item.key.start, item.key.end) if name == key else (item.start, item.end)
        yield view.site("resource", name, start, end, scope=scope, detail=".".join(item.path))
    elif name := _container(item, key):
        yield view.site("container", name, item.start, item.end, scope=scope, detail=".".join(item.path))
    elif monitor := _CALLED.search(view.text, item.start, item.end):
        yield view.site("command", monitor[1], monitor.start(1), monitor.end(1), scope=scope)
    elif found := setting(item.path, item.value):
        yield view.site(
            "config",
            found.name,
            item.start,
            item.end,
            place=f"k:{key.replace('-', '_')}",
            scope=scope,
            detail=".".join(item.path),
            certain=found.certain,
        )


def _variable(item: Item, key: str) -> Word | None:
    """The environment variable that a value sets: ``NAME: value``, ``NAME=value``, ``name: NAME``.

    Programs have keys of such names as well, in sections of their own: ``DISTRIBUTED: {NCCL_DEBUG: true}``.
    """
    above = item.path[:-1]
    if is_cuda_variable(key) and "_" in key and (not above or any(map(_VARIABLES.match, above))):
        return item.key
    if key == "name" and is_cuda_variable(item.value):
        return Word(item.value, item.start, item.end)
    if (match := _VARIABLE.match(item.value)) and is_cuda_variable(match[1]):
        return Word(match[1], item.start, item.end)
    return None


def _resource(item: Item, key: str) -> str | None:
    """The resource of a cluster that a value asks for."""
    for text in (key, item.value):
        if _RESOURCE.fullmatch(text):
            return text
    if key == "runtimeClassName" and item.value.startswith("nvidia"):
        return f"{key}: {item.value}"
    kind = key.rpartition("/")[2]
    if kind in ("gke-accelerator", "accelerators", "accelerator_type") and _ACCELERATOR.fullmatch(item.value[:80]):
        return f"{kind}: {item.value}"
    if key.lower() in ("instance_type", "instancetype") and (instance := _INSTANCE.fullmatch(item.value[:40])):
        return f"instance_type: {instance[1]}"
    return None


def _container(item: Item, key: str) -> str | None:
    """The image or option of a container that a value names."""
    value = item.value[:300]
    if (key, value) in (("runtime", "nvidia"), ("driver", "nvidia"), ("capabilities", "gpu")):
        return f"{key}: {value}"
    if value.startswith(("--gpus", "--runtime=nvidia")):  # runArgs of a dev container
        return value if value.startswith("--runtime") else "--gpus"
    if _IMAGES.fullmatch(key.lower()[:60]) or value.startswith("docker://"):
        return image_name(value)
    return None
