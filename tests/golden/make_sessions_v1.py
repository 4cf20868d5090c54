"""Makes tests/golden/sessions-v1 and its expected answers; run once, with 71bbc26.

Every kind of session there is, each left at two moments; a selection by every method,
done; and the same asked for, together with a build, and not begun. The directory is to
be opened by every later gleann, whatever its modules, classes and calls are named then:
so it is never made again. `python tests/golden/make_sessions_v1.py FOLDER`
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "support"))

import golden_sessions

import gleann
from gleann.service.jobs.queue import JobQueue


def not_begun(data: Path, *, expected: dict[str, Any]) -> None:
    """Ask for work, and stop before any of it begins."""
    take = JobQueue.take
    JobQueue.take = lambda *_, **__: []  # type: ignore[method-assign]
    try:
        with gleann.Client(data) as client:
            expected["queued"] = golden_sessions.ask_for_selections(client)
            expected["build"] = client.build("points", golden_sessions.BUILD).name
    finally:
        JobQueue.take = take  # type: ignore[method-assign]


def main(folder: Path) -> None:
    """Fill FOLDER/sessions-v1, and write FOLDER/sessions-v1-expected.json."""
    data, expected = folder / "sessions-v1", dict[str, Any]()
    with gleann.Client(data) as client:
        expected["names"] = golden_sessions.begin_all(client)
        asked = golden_sessions.ask_for_selections(client)
        made = {key: client.operations.get(name).wait() for key, name in asked.items()}
        expected["selections"] = {
            key: [one.name, one.ids.tolist()] for key, one in made.items()
        }
    not_begun(data, expected=expected)
    (data / "lock").unlink()
    copy = shutil.copytree(data, folder / "copy")
    with gleann.Client(copy) as client:
        expected["answers"] = {
            key: golden_sessions.go_on(client, key, name)
            for key, name in expected["names"].items()
        }
    shutil.rmtree(copy)
    text = json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    text = text.replace('},"', '},\n"').replace('{"', '{\n"', 1)
    (folder / "sessions-v1-expected.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
