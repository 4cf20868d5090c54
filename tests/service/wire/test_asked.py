"""The request of a curation as JSON values."""

import json

from gleann.service.wire.curation.asked import MOST, asked
from gleann.v1 import audit_pb2, duplicates_pb2, graph_labels_pb2


def test_columns_are_their_sizes() -> None:
    message = graph_labels_pb2.AllocateLabels(share=0.5, curation="curations/1")
    message.shares.values = bytes(16)
    message.shares.classes.name = "class"
    expected = {
        "curation": "curations/1",
        "shares": {"classes": {"name": "class"}, "values": {"bytes": 16}},
        "share": 0.5,
    }
    assert asked(message) == expected
    assert json.loads(json.dumps(expected)) == expected


def test_long_lists_are_their_lengths() -> None:
    few = audit_pb2.AuditChoice(group_columns=["a"] * MOST)
    assert asked(few) == {"group_columns": ["a"] * MOST}
    many = audit_pb2.AuditChoice(group_columns=["a"] * (MOST + 1))
    assert asked(many) == {"group_columns": {"length": MOST + 1}}


def test_enums_by_name_also_unknown_ones() -> None:
    message = duplicates_pb2.NearDuplicates(
        keep_by=duplicates_pb2.KEEP_BY_NEWEST, curve=True
    )
    assert asked(message) == {"keep_by": "KEEP_BY_NEWEST", "curve": True}
    message.keep_by = 77  # type: ignore[assignment]
    assert asked(message)["keep_by"] == 77
