"""The unit of a run: a stage on one data set, with its limit and options."""

from dataclasses import dataclass, field

LEVELS = (0.90, 0.95, 0.99)
BATCHES = (1, 100, 1000, 10_000)
KINDS = ("bf16", "int8")
SEGMENTS = ("both", "primary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the stages; a stage ignores those it does not use.

    Attributes:
        levels: of recall, ascending.
        batches: queries at a time, ascending.
        kinds: of number that our engine scans.
        segments: "both" with second copies, "primary" without.
        only: names of cases; empty for all.
    """

    levels: tuple[float, ...] = LEVELS
    batches: tuple[int, ...] = BATCHES
    kinds: tuple[str, ...] = KINDS
    segments: tuple[str, ...] = SEGMENTS
    only: tuple[str, ...] = ()

    def wants(self, name: str) -> bool:
        """Whether the case of that name is requested."""
        return not self.only or name in self.only


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A stage on one data set: what is cut off, left out and resumed as one.

    Attributes:
        stage: its name.
        name: of the data set; empty for a stage that needs none.
        seconds: that it may take.
        options: what it measures.
    """

    stage: str
    name: str
    seconds: float
    options: Options = field(default_factory=Options)

    @property
    def key(self) -> str:
        """Equal for units that measure the same, whatever their limits."""
        return f"{self.stage} {self.name} {self.options}"

    @property
    def root(self) -> str:
        """The start of the names of its cases."""
        return self.name or self.stage

    @property
    def title(self) -> str:
        """Display name."""
        return f"{self.stage} {self.name}".strip()
