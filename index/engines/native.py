"""Placeholder until the native helper writes this file."""

NativeEngine = None


def available():
    return False


def tiers():
    return ()


def unavailable_reason():
    return "not built"
