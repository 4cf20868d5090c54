"""Make the documentation: pages into build/docs/pages, HTML into build/docs/site."""

import argparse
import sys
from pathlib import Path

from docs.make.site import lay_out, render, renew, write


def main() -> int:
    """Make it; 0 when every script ran and every link leads somewhere."""
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/docs"), help="folder")
    parser.add_argument(
        "--quick", action="store_true", help="do not run the scripts of the pages"
    )
    parser.add_argument(
        "--renew", action="store_true", help="write the lists of pages, nothing else"
    )
    arguments = parser.parse_args()
    if arguments.renew:
        print("renewed:", *renew())
        return 0
    layout = lay_out(run_scripts=not arguments.quick)
    configuration = write(layout, arguments.out.resolve())
    status = render(configuration)
    if status == 0:
        print(f"{len(layout.texts)} pages in {configuration.parent / 'site'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
