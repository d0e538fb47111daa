"""``python -m tests.ecosystem`` is ``python -m tests.ecosystem.measure``."""

from tests.ecosystem.measure import main

main()
