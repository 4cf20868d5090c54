"""Thread pools with a bounded number of running and queued calls."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from gleann.index.errors import LimitError, NotReadyError


class Lane:
    """A bounded pool of threads for one kind of call."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        """Make a pool.

        Args:
            name: prefix of its thread names.
            threads: maximum number of running calls.
            most: maximum number of running and queued calls.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"gleann-{name}")
        self._guard = Lock()
        self._held = 0
        self._most = most

    @property
    def held(self) -> int:
        """Number of running and queued calls."""
        return self._held

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work` when a thread is free.

        Raises:
            LimitError: too many calls are waiting.
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
        """Start no more work; running work continues to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: "Future[None] | None") -> None:
        with self._guard:
            self._held -= 1
