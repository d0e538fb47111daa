"""Make what is derived of the sample models.

``python -m tests.examples port``    each ``port`` from ``original`` and ``port.patch``, and what the pages count
``python -m tests.examples patch``   each ``port.patch`` from what was edited in ``port``
"""

from __future__ import annotations

import argparse

from tests.examples.samples import Sample, samples
from tests.examples.tables import update_counts

ACTIONS = {"port": [Sample.write_port, update_counts], "patch": [Sample.write_patch]}


def main() -> None:
    """Do it for the samples named, or for all."""
    names = [sample.name for sample in samples()]
    parser = argparse.ArgumentParser(prog="python -m tests.examples", description=__doc__)
    parser.add_argument("action", choices=list(ACTIONS))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    arguments = parser.parse_args()
    for sample in map(Sample, arguments.names or names):
        for action in ACTIONS[arguments.action]:
            action(sample)


if __name__ == "__main__":
    main()
