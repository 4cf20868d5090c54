"""How a long selection reports its progress."""

from collections.abc import Callable

from gleann.index import Progress

ProgressCallback = Callable[[Progress], None]
"""Called as work advances; an exception that it raises stops the work."""
