"""Makes tests/golden/data-v2 and its expected answers; run once, with commit bba6a7d.

It is what make_data_v1.py makes, by the last gleann whose database had schema version
2: without payload, with checksums. It is never made again.
`python tests/golden/make_data_v2.py FOLDER`
"""

import json
import sys
from pathlib import Path

from make_data_v1 import answers, fill

import gleann


def main(folder: Path) -> None:
    """Fill FOLDER/data-v2, and write FOLDER/data-v2-expected.json."""
    data = folder / "data-v2"
    with gleann.Client(data) as client:
        names = fill(client)
        expected = answers(client, names)
    (data / "lock").unlink()
    text = json.dumps(expected, indent=1, ensure_ascii=False) + "\n"
    (folder / "data-v2-expected.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
