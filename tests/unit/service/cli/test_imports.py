"""What a command imports before it works: packages that take long are left out."""

import subprocess
import sys

import pytest

SLOW = ("sklearn", "scipy.stats", "scipy.sparse", "scipy.optimize", "scipy.cluster")


@pytest.mark.parametrize(
    "module", ["estimate.estimate", "estimate.estimate_groups", "select.select_coreset"]
)
def test_what_trains_and_builds_is_not_imported_to_estimate_or_select(module):
    words = (
        f"import sys, gleann.service.cli.{module};"
        f" print(*[name for name in {SLOW!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
