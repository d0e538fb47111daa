"""Container images that bring CUDA, by the name that the catalogue knows them under."""

from __future__ import annotations

import re

_SPACE = re.compile(r"\s")  # in no image's name, but in what an image is told to run
_CUDA = re.compile(r"cuda|cu1\d\d|gpu|nvidia|tensorrt", re.ASCII | re.IGNORECASE)
# Publishers whose images are built for CUDA, whichever registry mirrors them.
_KNOWN = re.compile(
    r"(?:^|/)((?:nvcr\.io|nvidia|rapidsai)/.*|pytorch/(?:pytorch|manylinux-cuda|conda-cuda).*|vllm/vllm-openai.*"
    r"|lmsysorg/sglang.*|runpod/pytorch.*|mosaicml/pytorch.*|deepspeed/deepspeed.*|(?:winglian|axolotlai)/axolotl.*"
    r"|huggingface/(?:transformers-(?:pytorch|all-latest)-(?:gpu|deepspeed)|accelerate|peft-gpu|diffusers-pytorch-cuda).*"
    r"|ghcr\.io/huggingface/text-generation-inference.*)",
    re.ASCII,
)


def image_name(image: str) -> str | None:
    """The name of an image that brings CUDA: as it is, or ``image cuda: NAME`` where its publisher is not known.

    None for an image that does not say so.
    """
    image = image.removeprefix("docker://").replace("#", "/")  # Singularity; enroot
    if len(image) > 300 or _SPACE.search(image):
        return None
    known = _KNOWN.search(image)
    if known and not re.search("[:_-]cpu", image):
        return known[1]
    host, slash, name = image.partition("/")
    name = name if slash and re.search("[.:]", host) else image  # a registry's host says nothing of the image
    return f"image cuda: {image}" if _CUDA.search(name) else None
