"""`CurationCalls`: the calls of all topics in one object, `client.curation`."""

from gleann.service.client.curation_calls.audit import AuditCalls
from gleann.service.client.curation_calls.duplicates import DuplicateCalls
from gleann.service.client.curation_calls.graph_labels import GraphLabelCalls
from gleann.service.client.curation_calls.leakage import LeakageCalls
from gleann.service.client.curation_calls.stored import StoredCalls
from gleann.service.client.curation_calls.training import TrainingCalls
from gleann.service.client.modes import M


class CurationCalls(
    AuditCalls[M],
    DuplicateCalls[M],
    GraphLabelCalls[M],
    LeakageCalls[M],
    StoredCalls[M],
    TrainingCalls[M],
):
    """Methods of curation, and their stored results: `client.curation`."""
