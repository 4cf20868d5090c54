"""Lay out the pages of the site in a folder, and have zensical make HTML of them."""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import gleann
from bench.recorded import filled
from bench.records import RESULTS, read_results
from docs.make import contents, listings, literate
from docs.make.commands import command_pages
from docs.make.figures import FIGURES, draw
from docs.make.links import Places, headings, relinked
from docs.make.packages import package_pages
from docs.make.protocol import protocol_pages

ROOT = contents.ROOT
DOCS = contents.DOCS

SCRIPTS = {
    "tutorials": contents.TUTORIALS,
    "adapters": contents.ADAPTERS,
    "migration": contents.MIGRATIONS,
}
"""Folders of scripts that are pages."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The pages of the site, before they are written.

    Attributes:
        texts: of the pages, by their paths in the site.
        made: paths of those that are made, by folder, in their order.
    """

    texts: dict[str, str] = field(default_factory=dict)
    made: dict[str, list[str]] = field(default_factory=dict)

    def add(self, folder: str, pages: dict[str, str]) -> None:
        """Add the pages of a folder, in their order."""
        paths = {f"{folder}/{name}": text for name, text in pages.items()}
        self.texts.update(paths)
        self.made[folder] = list(paths)


def lay_out(*, run_scripts: bool) -> Layout:
    """All pages of the site.

    Args:
        run_scripts: whether what scripts print is on their pages; it takes a minute.

    Raises:
        LinkError: a link to nothing.
        ScriptError: a script that is no page, or failed.
    """
    layout = Layout()
    scripts = read_scripts()
    places = _places()
    for source, place in written_pages().items():
        text = renewed_page(source, scripts)
        layout.texts[place] = relinked(text, source, places)
    for folder in SCRIPTS:
        pages = {
            f"{script.path.stem}.md": _script_page(script, places, run=run_scripts)
            for script in scripts[folder]
        }
        layout.add(folder, pages)
    layout.add("reference/api", package_pages())
    layout.add("reference/cli", command_pages())
    layout.add("reference/protocol", protocol_pages())
    return layout


def read_scripts() -> dict[str, list[literate.Script]]:
    """The scripts that are pages, by folder."""
    return {
        folder: [literate.read_script(DOCS / folder / f"{name}.py") for name in names]
        for folder, names in SCRIPTS.items()
    }


def written_pages() -> dict[str, str]:
    """Documents that are pages, by path in the repository, and their places."""
    return {**contents.OWN, **contents.DOCUMENTS, **contents.further_documents()}


def renewed_page(source: str, scripts: dict[str, list[literate.Script]]) -> str:
    """A document with its tables of results and its lists as they are now."""
    text = listings.renewed((ROOT / source).read_text("utf-8"), scripts)
    return filled(text, _results()) if "<!-- results: " in text else text


@cache
def _results() -> dict[str, dict[str, Any]]:
    return read_results(RESULTS)


def renew() -> list[str]:
    """Write the lists and tables of pages as they are now; those that changed."""
    scripts = read_scripts()
    changed = []
    for source in contents.OWN:
        text = renewed_page(source, scripts)
        if text != (ROOT / source).read_text("utf-8"):
            (ROOT / source).write_text(text, "utf-8")
            changed.append(source)
    return changed


def _places() -> Places:
    """Where documents, scripts and images are in the site."""
    scripts = {
        f"docs/{folder}/{name}.py": f"{folder}/{name}.md"
        for folder, names in SCRIPTS.items()
        for name in names
    }
    return Places(pages=written_pages() | scripts, assets=_assets())


def _assets() -> dict[str, str]:
    images = [path for pattern in contents.ASSETS for path in ROOT.glob(pattern)]
    assets = {
        path.relative_to(ROOT).as_posix(): f"assets/{path.name}" for path in images
    }
    return assets | {_source_of(name): f"assets/{name}.svg" for name in FIGURES}


def _source_of(figure: str) -> str:
    """What pages link to, though it is drawn only when they are made."""
    return f"docs/concepts/{figure}.svg"


def _script_page(script: literate.Script, places: Places, *, run: bool) -> str:
    printed = None
    if run and not script.missing:
        with tempfile.TemporaryDirectory() as scratch:
            printed = literate.run_script(script, Path(scratch))
    source = script.path.relative_to(ROOT).as_posix()
    return relinked(literate.page_of(script, printed), source, places)


def write(layout: Layout, folder: Path) -> Path:
    """Write pages, figures, images and the configuration; the latter's path."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = folder / "pages"
    for path, text in layout.texts.items():
        _made(pages / path).write_text(text, "utf-8")
    for source, path in _assets().items():
        if (ROOT / source).exists():
            shutil.copy(ROOT / source, _made(pages / path))
    for name in FIGURES:
        draw(name, _made(pages / "assets" / f"{name}.svg"))
    configuration = folder / "zensical.toml"
    configuration.write_text(configured(layout), "utf-8")
    return configuration


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def configured(layout: Layout) -> str:
    """`docs/zensical.toml` with the version, the contents and the source."""
    titles = {path: headings(text)[0] for path, text in layout.texts.items()}
    titles = {path: title.replace("`", "") for path, title in titles.items()}
    values = {
        "@VERSION@": gleann.__version__,
        '"@CONTENTS@"': contents.as_toml(contents.contents(titles, layout.made)),
        "@SOURCE@": str(ROOT / ".ns"),
    }
    text = (DOCS / "zensical.toml").read_text("utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def render(configuration: Path) -> int:
    """Make HTML; a link or an anchor that leads nowhere fails. The exit status."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.call(
        [*command, "--config-file", configuration], cwd=configuration.parent
    )
