"""``python -m tests.ecosystem`` is ``python -m tests.ecosystem.check``."""

from tests.ecosystem.check import main

main()
