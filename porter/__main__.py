"""``python -m porter`` is the command ``porter``."""

import sys

from porter.cli import main

sys.exit(main())
