"""What the estimate commands print: the number, and what rivals would have given."""

from gleann.selection import Estimate


def sentence(name: str, made: Estimate) -> str:
    """An estimate in a line."""
    used = f"{made.labels_used:,} labels, {made.positives:,} positive"
    if made.value is None:
        return f"{name}: undefined ({used}); {made.note}"
    return f"{name}: {made.value:,.6g}, {_interval(made)} ({used})" + (
        f"; {made.note}" if made.note else ""
    )


def rivals(made: Estimate) -> str:
    """What uniform sampling and ABae as written would be expected to give, or "".

    With as many labels, where these tell it.
    """
    if made.low is None or made.high is None:
        return ""
    told = [
        f"{name} +- {width / 2:,.4g}"
        for name, width in (
            ("uniform sampling", made.uniform_width),
            ("ABae as published", made.abae_width),
        )
        if width is not None
    ]
    if not told:
        return ""
    return (
        f"to be expected of as many labels: {', '.join(told)}; this interval is"
        f" +- {(made.high - made.low) / 2:,.4g}"
    )


def _interval(made: Estimate) -> str:
    if made.low is None or made.high is None:
        return "no interval"
    return f"{made.confidence:.0%} interval {made.low:,.6g} to {made.high:,.6g}"
