"""Virtual environments in which only what a test names is installed."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        python: its interpreter.
        folder: an empty folder to run it in.
    """

    python: Path
    folder: Path

    def install(self, *words: str | Path) -> None:
        """Install with pip, which fetches what is needed besides."""
        self.output_of("-m", "pip", "--disable-pip-version-check", "install", *words)

    @property
    def gleann(self) -> Path:
        """The `gleann` script."""
        return self.python.with_name("gleann")

    def output_of(self, *words: str | Path) -> str:
        """What its Python prints, where it must succeed."""
        return self._output_of(self.python, *words)

    def output_of_gleann(self, *words: str) -> str:
        """What a command prints, where it must succeed."""
        return self._output_of(self.gleann, *words)

    def _output_of(self, *words: str | Path) -> str:
        """Run without the paths and settings of this process."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "GLEANN_"))
        }
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
