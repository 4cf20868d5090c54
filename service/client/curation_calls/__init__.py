"""Client calls for curation, one module a topic: `client.curation`."""

from gleann.service.client.curation_calls.duplicates import DuplicateCalls
from gleann.service.client.curation_calls.leakage import LeakageCalls
from gleann.service.client.curation_calls.stored import StoredCalls
from gleann.service.client.curation_calls.training import TrainingCalls
from gleann.service.client.modes import M

__all__ = ["CurationCalls"]


class CurationCalls(
    DuplicateCalls[M], LeakageCalls[M], StoredCalls[M], TrainingCalls[M]
):
    """Methods of curation, and their stored results: `client.curation`."""
