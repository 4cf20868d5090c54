"""Independent seeds for several draws, derived from one seed."""

import numpy as np


def stream_seed(seed: int, number: int) -> int:
    """The seed of the `number`-th of several independent draws."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
