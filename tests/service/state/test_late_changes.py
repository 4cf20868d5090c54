"""Changes of calls that nobody waits for are not begun."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from gleann.index import errors
from gleann.service.application import Application
from gleann.service.calls.context import CallContext, answering
from gleann.service.config import Config

ROWS = np.eye(4, dtype=np.float32)


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    application = Application(Config(data_dir=tmp_path))
    application.create_index("a", dim=4, metric="l2")
    yield application
    application.close()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (CallContext(ends=0.0), errors.DeadlineError),
        (CallContext(is_active=lambda: False), errors.CancelledError),
    ],
)
def test_a_change_that_nobody_waits_for_is_not_begun(
    application: Application, call: CallContext, kind: type[Exception]
) -> None:
    with answering(call), pytest.raises(kind):
        application.upsert("a", np.arange(4), ROWS)
    view = application.registry.view("a")
    assert (view.count, view.sequence) == (0, 0)
    with answering(CallContext(ends=monotonic() + 60)):
        application.upsert("a", np.arange(4), ROWS)
    assert application.registry.view("a").count == 4
