"""`Forecast`: what work would take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What work would take, besides the index that it reads.

    Seconds are nominal, as those of `index/build/forecast.py`: multiply by what a
    nominal second takes.

    Attributes:
        parallel: seconds of one core that all cores share.
        serial: seconds of work that one core does.
        memory_bytes: at most, above what the process has.
        stored_bytes: of the tables of its answer, as Arrow files.
    """

    parallel: float = 0.0
    serial: float = 0.0
    memory_bytes: int = 0
    stored_bytes: int = 0

    def seconds(self, cores: int) -> float:
        """Nominal seconds on so many cores."""
        return self.parallel / cores + self.serial

    def then(self, other: "Forecast") -> "Forecast":
        """This work and then other work, both of whose answers are kept."""
        return Forecast(
            parallel=self.parallel + other.parallel,
            serial=self.serial + other.serial,
            memory_bytes=max(self.memory_bytes, other.memory_bytes),
            stored_bytes=self.stored_bytes + other.stored_bytes,
        )
