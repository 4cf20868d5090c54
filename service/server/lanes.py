"""Thread pools with a bounded queue: running calls, and calls that wait."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from gleann.index.errors import LimitError, NotReadyError


class Lane:
    """A bounded pool of threads for one kind of call."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        """Make one.

        Args:
            name: of its threads.
            threads: calls that are computed at once.
            most: calls that are computed or wait for a thread.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"gleann-{name}")
        self._guard = Lock()
        self._held = 0
        self._most = most

    @property
    def held(self) -> int:
        """Calls that are computed or wait for a thread."""
        return self._held

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` done when a thread is free.

        Raises:
            LimitError: too many wait already.
            NotReadyError: the server is stopping.
        """
        with self._guard:
            if self._held >= self._most:
                raise LimitError(
                    f"the server has {self._held} calls under way, at most {self._most}"
                    " are admitted (rpc_queue): try again later"
                )
            self._held += 1
        try:
            self._pool.submit(work).add_done_callback(self._leave)
        except RuntimeError as error:
            self._leave(None)
            raise NotReadyError("the server is stopping") from error

    def close(self) -> None:
        """Begin nothing any more; what is computed goes on to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: "Future[None] | None") -> None:
        with self._guard:
            self._held -= 1
