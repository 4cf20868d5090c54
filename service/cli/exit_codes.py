"""What the exit codes of all commands mean."""

FAILED, USAGE, LABELS_NEEDED = 1, 2, 3
INTERRUPTED = 130
"""As shells report a process that SIGINT ended."""
BROKEN_PIPE = 141
"""As shells report a process that SIGPIPE ended."""

MEANINGS = {
    0: "success",
    FAILED: "an error, told in one line; or `doctor`, `verify` or `health` found one",
    USAGE: "wrong usage: an unknown command or option, or a value of another kind",
    LABELS_NEEDED: "labels are needed: --todo lists the items; add them, and run again",
    INTERRUPTED: "interrupted by Ctrl-C",
    BROKEN_PIPE: "the reader of the output left, as `head` does",
}
"""Every exit code, and what it means."""
