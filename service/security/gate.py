"""`Gate`: lets calls in by their key, before their message and after it.

Before the message, the key must be good and have the right on some index. After it, it
must have the right on the index that the request names, and operations and sessions
must be the caller's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message

from gleann.index.errors import PermissionDeniedError
from gleann.service.calls.caller import Caller, Right
from gleann.service.calls.context import CallContext
from gleann.service.security.key_ring import KeyRefusal, KeyRing, Metadatum, OpenRing
from gleann.service.security.rules import RULES, Kind, Rule

NOBODY = Caller("", ())
"""Who calls an open method without a good key."""

_UNKNOWN = Rule(right=Right.READ)
"""For methods that there are not: only keys learn that."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a resource belongs to.

    Attributes:
        index: its index.
        owner: name of the key that made it; None for a resource without an owner.
        others: other indexes that it tells of; to read it takes READ on them too.
    """

    index: str
    owner: str | None = None
    others: tuple[str, ...] = ()


Find = Callable[[str], Holding | None]
"""What a resource of one kind belongs to, by its name; None if there is none."""


class Gate:
    """Lets calls in.

    Attributes:
        ring: the current keys; may be replaced at any time.
    """

    def __init__(self, ring: KeyRing, finds: Mapping[Kind, Find]) -> None:
        """Keep the keys.

        Args:
            ring: the keys.
            finds: what resources belong to, by kind.
        """
        self.ring = ring
        self._finds = finds

    def caller(self, method: str, metadata: Iterable[Metadatum]) -> Caller:
        """Who calls a method.

        Raises:
            KeyRefusal: the key is not good.
        """
        if RULES.get(method, _UNKNOWN).right is None:
            return self._anybody(metadata)
        return self.ring.find(metadata)

    def require_right(self, method: str, caller: Caller) -> None:
        """Refuse a caller before the message has arrived.

        Raises:
            PermissionDeniedError: the key has the right that is needed on no index.
        """
        right = RULES.get(method, _UNKNOWN).right
        if right is not None and not caller.may_on_any(right):
            raise PermissionDeniedError(
                f"the key {caller.name!r} has no right to {_verb(right)}"
            )

    def allow(self, method: str, call: CallContext, request: Message) -> None:
        """Refuse the request of a call whose caller lacks a right.

        What a resource belongs to is looked up in the database.

        Raises:
            PermissionDeniedError: with the name of the key and the right.
        """
        if isinstance(self.ring, OpenRing):
            return
        rule, caller = RULES[method], call.caller
        if rule.right is None:
            return
        if rule.index is not None:
            index = field_of(request, rule.index)
            if index or not rule.optional:
                caller.require(rule.right, index)
        if rule.resource is not None and rule.kind is not None:
            name = field_of(request, rule.resource)
            right = rule.right if rule.resource_right is None else rule.resource_right
            _require_held(caller, right, name, self._finds[rule.kind](name))

    def require_still(
        self, method: str, metadata: Iterable[Metadatum], index: str
    ) -> None:
        """Refuse to go on with a call that has lasted for a while.

        Args:
            method: of the call.
            metadata: of the call.
            index: that it works on; "" while that is not known.

        Raises:
            KeyRefusal: the key is no longer good.
            PermissionDeniedError: it has no longer the right on the index.
        """
        caller, right = self.caller(method, metadata), RULES[method].right
        if index and right is not None:
            caller.require(right, index)

    def index_of(self, method: str, request: Message) -> str:
        """The index that a request works on, also where it names a resource; or ""."""
        rule = RULES[method]
        if rule.index is not None:
            return field_of(request, rule.index)
        if rule.resource is None or rule.kind is None:
            return ""
        holding = self._finds[rule.kind](field_of(request, rule.resource))
        return "" if holding is None else holding.index

    def _anybody(self, metadata: Iterable[Metadatum]) -> Caller:
        try:
            return self.ring.find(metadata)
        except KeyRefusal:
            return NOBODY


def _require_held(
    caller: Caller, right: Right, name: str, holding: Holding | None
) -> None:
    """Refuse a resource of others.

    One that there is not is left to the servicer: names are random, so that NOT_FOUND
    tells nothing of an index.
    """
    if holding is None:
        return
    owns = holding.owner is None or caller.owns(holding.owner, holding.index)
    needed = [holding.index, *(holding.others if right is Right.READ else ())]
    if not owns or not all(caller.may(right, index) for index in needed):
        raise PermissionDeniedError(
            f"the key {caller.name!r} has no right to {_verb(right)} {name[:80]!r}"
        )


def _verb(right: Right) -> str:
    return right.name.lower()


def field_of(request: Message, path: str) -> str:
    """The text in a field of a request, such as "start.index"."""
    value = request
    for name in path.split("."):
        value = getattr(value, name)
    assert isinstance(value, str)
    return value
