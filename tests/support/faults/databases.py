"""The database of a data directory, read and changed beside gleann."""

import sqlite3
from pathlib import Path
from typing import Any


def run_sql(data: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on the database of a data directory; the rows that it gives."""
    connection = sqlite3.connect(data / "gleann.sqlite3")
    found = connection.execute(statement).fetchall()
    connection.commit()
    connection.close()
    return found
