"""Counts of the machine instructions of a kernel, by loop.

A loop is what a backward branch closes: all instructions that reach the branch without
passing its target. Counts are of instructions as they stand, a warp: each counts once,
also where a branch skips it (the slow path of a division, a masked store).
"""

import re
from collections import defaultdict
from dataclasses import dataclass

LINE = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(@!?\w+\s+)?([A-Z][\w.]*)\s*([^;/]*)")

COUNTED = {
    "barriers": re.compile(r"BAR\b"),
    "shuffles": re.compile(r"SHFL\b"),
    "products": re.compile(r"(?:HG|IG|QG|H|I|D)MMA\b"),
}
"""Instruction classes, by name prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One machine instruction.

    Attributes:
        address: in bytes, from the kernel's first.
        name: with its modifiers, such as "BAR.SYNC".
        target: address of a branch's target, else None.
        falls: whether the next instruction can follow it.
    """

    address: int
    name: str
    target: int | None
    falls: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A loop, or the whole kernel; counts leave out the loops inside.

    Attributes:
        instructions: all of them.
        barriers: synchronisations of a program.
        shuffles: exchanges within a warp.
        products: matrix instructions.
        inner: loops inside, in the order of their addresses.
    """

    instructions: int
    barriers: int
    shuffles: int
    products: int
    inner: tuple["Loop", ...]

    @property
    def shape(self) -> str:
        """Instructions outside of loops, then those of loops: "310 (5,111 (334))"."""
        inside = " ".join(f"({loop.shape})" for loop in self.inner)
        return f"{self.instructions:,} {inside}".rstrip()

    def total(self, what: str) -> int:
        """A count of this loop and all inside it."""
        return getattr(self, what) + sum(loop.total(what) for loop in self.inner)


def instructions_of(code: str) -> list[Instruction]:
    """The instructions of one kernel in the output of `cuobjdump -sass`.

    Padding after the last is left out: a branch to itself, and NOP.
    """
    found = [_instruction(*match.groups()) for match in LINE.finditer(code)]
    return [i for i in found if i.name != "NOP" and i.target != i.address]


def _instruction(
    address: str, guard: str | None, name: str, operands: str
) -> Instruction:
    at = int(address, 16)
    kind = name.partition(".")[0]
    if kind != "BRA":
        ends = kind in ("EXIT", "RET") and guard is None
        return Instruction(address=at, name=name, target=None, falls=not ends)
    *conditions, target = operands.replace("`", "").split(",")
    always = guard is None and not conditions
    return Instruction(address=at, name=name, target=int(target, 16), falls=not always)


def loops_of(instructions: list[Instruction]) -> Loop:
    """The whole kernel, with its loops inside."""
    bodies = sorted(_bodies(instructions).values(), key=len)
    inner: dict[int, list[int]] = defaultdict(list)
    whole = len(bodies)
    for i, body in enumerate(bodies):
        larger = (j for j in range(i + 1, whole) if body <= bodies[j])
        inner[next(larger, whole)].append(i)

    def counted(i: int) -> Loop:
        body = bodies[i] if i < whole else set(range(len(instructions)))
        nested = sorted(inner[i], key=lambda j: min(bodies[j]))
        own = body.difference(*(bodies[j] for j in nested))
        names = [instructions[at].name for at in own]
        return Loop(
            instructions=len(names),
            **{
                what: sum(bool(pattern.match(name)) for name in names)
                for what, pattern in COUNTED.items()
            },
            inner=tuple(counted(j) for j in nested),
        )

    return counted(whole)


def _bodies(instructions: list[Instruction]) -> dict[int, set[int]]:
    """Instructions of each loop, by its first; those with one first are one loop."""
    at = {instruction.address: i for i, instruction in enumerate(instructions)}
    before: dict[int, set[int]] = defaultdict(set)
    for i, instruction in enumerate(instructions):
        if instruction.falls:
            before[i + 1].add(i)
        if instruction.target is not None:
            before[at[instruction.target]].add(i)
    bodies: dict[int, set[int]] = {}
    for last, instruction in enumerate(instructions):
        if instruction.target is None or instruction.target > instruction.address:
            continue
        first = at[instruction.target]
        body = _reaching(last, first, before)
        # Code moved out of line jumps back too, but does not begin a loop: it is
        # reached from the kernel's first instruction without passing the target.
        if first == 0 or 0 not in body:
            bodies[first] = bodies.get(first, set()) | body
    return bodies


def _reaching(last: int, first: int, before: dict[int, set[int]]) -> set[int]:
    """Instructions from which `last` is reached without passing `first`."""
    body, left = {first, last}, [last]
    while left:
        here = left.pop()
        if here != first:
            new = before[here] - body
            body |= new
            left += new
    return body
