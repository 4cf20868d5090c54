"""Seeds of their own for several draws from one seed."""

import numpy as np


def stream_seed(seed: int, number: int) -> int:
    """A seed of its own for the `number`-th of several draws."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
