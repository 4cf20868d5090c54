"""Client calls for audits of a choice."""

from collections.abc import Sequence
from typing import Any, Unpack

from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError
from gleann.index.ids.checks import hold_id_array
from gleann.service.client.curation_calls.starting import SharedOptions, StartingCalls
from gleann.service.client.modes import M
from gleann.service.client.operation import Handle, curation_method
from gleann.service.wire.arrays import ids_to_wire
from gleann.service.wire.fields import fill
from gleann.v1 import audit_pb2, curation_pb2

SELECTIONS, CURATIONS = "selections/", "curations/"


class AuditCalls(StartingCalls[M]):
    """Measures of a choice beside random ones."""

    @curation_method
    async def audit(  # noqa: PLR0913 (the choice, and what is measured)
        self,
        name: str,
        chosen: str | ArrayLike,
        *,
        table: str = "",
        flag: str = "",
        group_columns: Sequence[str] = (),
        orders: Sequence[float] = (),
        shares: Sequence[float] = (),
        seed: int = 0,
        **shared: Unpack[SharedOptions],
    ) -> Handle[Any, Any]:
        """Measure a choice: Vendi scores, coverage, classes and groups.

        The curation has the tables "sets" and "coverage" and, with group columns,
        "groups" and "parts"; see `AuditChoice` in `audit.proto`.

        Args:
            name: the index; its metric must be cosine or l2.
            chosen: a stored selection ("selections/3f2a") or curation
                ("curations/3f2a") of the index by its name; or ids, in their order.
            table: of the curation; "" for "rows", or else the first with ids.
            flag: a column of bools of that table, true for chosen lines; "" for "kept"
                where there is one, or else all lines.
            group_columns: columns of payload with classes and groups; the first cuts
                the choice into parts.
            orders: of the Vendi scores; empty for 0.1, 0.5, 1, 2 and infinity.
            shares: of the pool whose radii are found; empty for 0.5, 0.9, 0.99 and 1.
            seed: of the random choices.
            **shared: see `SharedOptions`; the pool is what passes `where`.

        Raises:
            UnknownJobError: no such selection or curation.
            UnknownIdError: an id that the index does not have, or that does not pass.
            UnknownColumnError: no such column of payload.
            InvalidInputError: an empty choice, or one of another index.
            InvalidParamsError: a name of neither, a number out of its range, or the
                metric is "ip".
            LimitError: more distances than the server allows, or more than 1000 orders
                or shares.
        """
        message = audit_pb2.AuditChoice(group_columns=group_columns)
        fill_chosen(message, chosen, table=table, flag=flag)
        fill(message, {"orders": tuple(orders), "shares": tuple(shares), "seed": seed})
        request = curation_pb2.CreateCurationJobRequest(index=name, audit=message)
        return await self._start(request, **shared)


def fill_chosen(
    message: audit_pb2.AuditChoice, chosen: str | ArrayLike, *, table: str, flag: str
) -> None:
    """Set the choice.

    Raises:
        InvalidParamsError: a name of neither a selection nor a curation, or a table or
            flag of anything but a curation.
    """
    if isinstance(chosen, str) and chosen.startswith(CURATIONS):
        message.lines.CopyFrom(
            audit_pb2.CurationLines(curation=chosen, table=table, flag=flag)
        )
        return
    if table or flag:
        raise InvalidParamsError(
            f"table {table!r} and flag {flag!r} are of a stored curation, and none is"
            " given"
        )
    if not isinstance(chosen, str):
        message.ids.CopyFrom(ids_to_wire(hold_id_array(chosen, name="chosen")))
    elif chosen.startswith(SELECTIONS):
        message.selection = chosen
    else:
        raise InvalidParamsError(
            f"chosen must be ids, {SELECTIONS}... or {CURATIONS}..., got {chosen!r:.80}"
        )
