"""Forks are counted, and so are the calls that they were made in."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from gleann.index.errors import ServiceError
from gleann.service.calls.process import call_under_way, require_connectable

def said():
    try:
        require_connectable()
    except ServiceError as error:
        return str(error)
    return "may connect"

def in_child(work):
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        try:
            work()
            sys.stdout.flush()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

def forked():
    print(said())
    in_child(lambda: print("its fork:", said()))

calls = int(sys.argv[1])
under_way = [call_under_way() for _ in range(calls)]
for call in under_way:
    call.__enter__()

def forked_and_ended():
    forked()
    for call in under_way:  # as where a fork is made within a call
        call.__exit__(None, None, None)
    print("after:", said())

in_child(forked_and_ended)
for call in under_way:
    call.__exit__(None, None, None)
print("parent:", said())
in_child(lambda: print("later:", said()))
"""


@pytest.mark.parametrize(("calls", "number"), [(0, ""), (1, "1 call"), (3, "3 calls")])
def test_a_fork_may_connect_unless_calls_were_under_way(
    calls: int, number: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(calls)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, its_fork, after, parent, later = ran.stdout.splitlines()
    assert parent == "parent: may connect"
    assert later == "later: may connect"
    for line in (first, its_fork.removeprefix("its fork: "), after[len("after: ") :]):
        if not calls:
            assert line == "may connect"
        else:
            assert f" was forked with {number} to servers under way" in line
