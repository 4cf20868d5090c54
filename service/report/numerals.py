"""Formatting of numbers."""

from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def short(value: float) -> str:
    """Format a number for reading: 12,000, 350, 0.95, 1.2e-6."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-4:
        text = f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    elif size >= 100:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", MINUS, 1) if value < 0 else text


def apart(values: Sequence[float]) -> list[str]:
    """Format numbers with as few digits, from 4 on, as different ones take."""
    texts: list[str] = []
    for digits in range(4, 18):
        texts = [f"{value:.{digits}g}" for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts


def compact(value: float) -> str:
    """Format a large number in short form: 950, 12k, 1.5M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Format a share as a percentage, with enough digits to differ from 0 and 100."""
    distance = round(min(abs(value), abs(1 - value)) * 100, 9)
    digits = 0 if distance == 0 or distance >= 10 else 1 if distance >= 1 else 2
    while distance and float(f"{100 * value:.{digits}f}") in (0, 100):
        digits += 1
    text = f"{100 * value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if digits else text} %"
