"""What every part of the demo is handed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from gleann.selection.progress import ProgressCallback
from gleann.service.demo.scale import Scale


@dataclass(slots=True, kw_only=True)
class Stage:
    """How much to do, where to tell it, and how long it took.

    Attributes:
        scale: how much.
        seed: the only source of randomness.
        say: prints a line.
        report: shows progress.
        seconds: of each stage so far.
    """

    scale: Scale
    seed: int
    say: Callable[[str], None]
    report: ProgressCallback
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Announce a stage and take its time."""
        self.say(f"== {name}")
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
        self.say(f"   {self.seconds[name]:.1f} s")
