"""Container images that bring CUDA, by the name that the catalogue knows them under."""

from __future__ import annotations

import re

_CUDA = re.compile(r"cuda|cu1\d\d|gpu|nvidia|nvcr\.io|tensorrt|pytorch/pytorch", re.ASCII | re.IGNORECASE)
_KNOWN = re.compile(r"(?:^|/)((?:nvcr\.io|nvidia)/.*|pytorch/pytorch.*)", re.ASCII)


def image_name(image: str) -> str | None:
    """The name of an image that says that it brings CUDA, else None.

    Images of NVIDIA and PyTorch keep their name, whichever registry mirrors them; all others are ``image cuda: NAME``.
    """
    image = image.removeprefix("docker://").replace("#", "/")  # Singularity; enroot
    if len(image) > 300 or not _CUDA.search(image):
        return None
    known = _KNOWN.search(image)
    return known[1] if known else f"image cuda: {image}"
