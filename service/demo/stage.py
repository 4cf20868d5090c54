"""Context of every part of the demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from gleann.selection.progress import ProgressCallback
from gleann.service.demo.scale import Scale


@dataclass(slots=True, kw_only=True)
class Stage:
    """Sizes, output and timings of the demo.

    Attributes:
        scale: sizes.
        seed: the only source of randomness.
        say: prints a line.
        report: shows progress.
        seconds: duration of each finished stage.
    """

    scale: Scale
    seed: int
    say: Callable[[str], None]
    report: ProgressCallback
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Announce a stage and measure its duration."""
        self.say(f"== {name}")
        start = perf_counter()
        yield
        self.seconds[name] = perf_counter() - start
        self.say(f"   {self.seconds[name]:.1f} s")
