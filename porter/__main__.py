"""``python -m porter`` is the command ``porter``."""

import os
import sys

# Python puts the working directory first: here the tree that is looked at, whose modules are none of porter's.
if sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109  (pathlib is not to be looked for yet)
    del sys.path[0]

from porter.cli import main

sys.exit(main())
