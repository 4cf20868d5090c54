"""Long work that waits until a test lets it go on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gleann.index import Progress, SoarIndex


class Held:
    """Work that reports progress until `go` is set."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.runs = 0

    def hold(self, progress: Callable[[Progress], None]) -> None:
        self.runs += 1
        news = Progress(phase="held", done=self.runs, total=9)
        progress(news)
        self.begun.set()
        while not self.go.wait(0.01):
            progress(news)


@contextmanager
def holding_builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Builds wait until `go` is set, at the latest at the end of the block."""
    held, real = Held(), SoarIndex.build_on_disk

    def build(*arguments: Any, progress: Any, **settings: Any) -> Any:
        held.hold(progress)
        return real(*arguments, progress=progress, **settings)

    monkeypatch.setattr(SoarIndex, "build_on_disk", build)
    try:
        yield held
    finally:
        held.go.set()
