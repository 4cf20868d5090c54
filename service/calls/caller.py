"""`Caller`: who makes a call, and what they may do."""

from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase

from gleann.index.errors import PermissionDeniedError


class Right(IntEnum):
    """What a caller may do; each right includes those below it."""

    READ = 1
    WRITE = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on some indexes.

    Attributes:
        right: the right.
        indexes: a pattern of index names, such as "words" or "team-*"; "*" is all.
    """

    right: Right
    indexes: str = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: name of the key; "" in process, and where no key is required.
        grants: what the caller may do.
    """

    name: str
    grants: tuple[Grant, ...]

    def may(self, right: Right, index: str | None = None) -> bool:
        """Whether the caller has a right on an index; with None, on all of them."""
        return any(
            grant.right >= right
            and (
                grant.indexes == "*"
                if index is None
                else fnmatchcase(index, grant.indexes)
            )
            for grant in self.grants
        )

    def may_on_any(self, right: Right) -> bool:
        """Whether there can be an index on which the caller has a right."""
        return any(grant.right >= right for grant in self.grants)

    def owns(self, owner: str, index: str) -> bool:
        """Whether operations and sessions of `owner` are the caller's to see and end.

        They are the owner's, and everybody's who has the right ADMIN on the index.
        """
        return self.name == owner or self.may(Right.ADMIN, index)

    def require(self, right: Right, index: str) -> None:
        """Refuse a caller who lacks a right on an index.

        Raises:
            PermissionDeniedError: with the name of the key, the right and the index.
        """
        if not self.may(right, index):
            raise PermissionDeniedError(
                f"the key {self.name!r} has no right to {right.name.lower()} on index"
                f" {index!r}"
            )


EVERYTHING = (Grant(Right.ADMIN),)
LOCAL = Caller("", EVERYTHING)
"""The caller in process, and everybody where no key is required."""
