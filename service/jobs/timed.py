"""`Timed`: how long a piece of work and its phases take."""

from time import monotonic

from gleann.index import Progress
from gleann.service.telemetry.telemetry import Telemetry


class Timed:
    """Times one run of work, in the thread that does it."""

    def __init__(self, kind: str, telemetry: Telemetry) -> None:
        self._kind = kind
        self._telemetry = telemetry
        self._began = self._phase_began = monotonic()
        self._phase = ""
        self._trace = telemetry.tracing.begin(f"job {kind}", "internal")

    def take(self, news: Progress) -> None:
        """Count the phase that ends where the next begins."""
        if news.phase != self._phase:
            self._end_phase()
            self._phase = news.phase

    def end(self, outcome: str) -> None:
        """Count the work, such as "done"."""
        self._end_phase()
        self._telemetry.job_ended(self._kind, outcome, monotonic() - self._began)
        if self._trace is not None:
            self._trace.end(outcome)

    def _end_phase(self) -> None:
        now = monotonic()
        # "done" is what is said when the last phase has ended.
        if self._phase and self._phase != "done":
            self._telemetry.phase_ended(
                self._kind, self._phase, now - self._phase_began
            )
            if self._trace is not None:
                self._trace.add(self._phase, self._phase_began, now)
        self._phase, self._phase_began = "", now
