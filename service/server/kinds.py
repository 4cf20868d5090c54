"""Kinds of calls: what a method mostly takes, and so in which queue it waits."""

from typing import Literal

Kind = Literal["search", "read", "write", "control"]

_SEARCHING = "/gleann.v1.SearchService/"
_CONTROLLING = (
    "/gleann.v1.AdminService/",
    "/gleann.v1.JobService/",
    "/google.longrunning.Operations/",
)
_WRITING = (
    "Build",
    "Close",
    "Create",
    "Delete",
    "Export",
    "Ignore",
    "Import",
    "Optimize",
    "Restore",
    "StreamUpsert",
    "Submit",
    "Update",
    "Upsert",
    "Verify",
)
"""How the names of methods begin that wait for the store rather than compute."""


_READING = (
    _SEARCHING,
    "/gleann.v1.VectorService/Get",
    "/gleann.v1.VectorService/Scroll",
    "/gleann.v1.VectorService/Count",
)


def only_reads(path: str) -> bool:
    """Whether a method keeps nothing, so that it can be stopped anywhere."""
    return path.startswith(_READING)


def kind_of(path: str) -> Kind:
    """The kind of a method, such as "/gleann.v1.SearchService/Search".

    Calls of "control" must be answered when all threads of the others are busy: they
    tell what the server does, and stop it.
    """
    if path.startswith(_SEARCHING):
        return "search"
    if path.startswith(_CONTROLLING):
        return "control"
    return "write" if path.rpartition("/")[2].startswith(_WRITING) else "read"
