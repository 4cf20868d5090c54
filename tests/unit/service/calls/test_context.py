from threading import Thread
from time import monotonic

import pytest

from gleann.index.errors import CancelledError, DeadlineError
from gleann.service.calls.context import (
    IN_PROCESS,
    CallContext,
    answering,
    current_call,
)


def test_a_call_is_current_in_its_thread_only() -> None:
    call = CallContext(call_id="a")
    seen = []
    with answering(call):
        assert current_call() is call
        thread = Thread(target=lambda: seen.append(current_call()))
        thread.start()
        thread.join()
    assert seen == [IN_PROCESS]
    assert current_call() is IN_PROCESS


def test_a_late_call_is_not_awaited() -> None:
    call = CallContext(ends=monotonic() - 1)
    assert call.seconds_left() == 0.0
    with pytest.raises(DeadlineError):
        call.require_awaited()
    CallContext(ends=monotonic() + 60).require_awaited()


def test_a_call_whose_caller_has_left_is_not_awaited() -> None:
    with pytest.raises(CancelledError):
        CallContext(is_active=lambda: False).require_awaited()


def test_in_process_there_is_no_deadline() -> None:
    assert IN_PROCESS.seconds_left() is None
    IN_PROCESS.require_awaited()
