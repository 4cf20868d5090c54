"""Lay out the pages of the site in a folder, and have zensical make HTML of them."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import gleann
from bench.recorded import filled
from bench.records import RESULTS, read_results
from docs.make import contents, literate
from docs.make.commands import command_pages
from docs.make.figures import FIGURES, draw
from docs.make.links import Places, headings, relinked
from docs.make.packages import package_pages
from docs.make.protocol import protocol_pages

ROOT = contents.ROOT
DOCS = contents.DOCS


@dataclass(frozen=True, slots=True)
class Layout:
    """The pages of the site, before they are written.

    Attributes:
        texts: of the pages, by their paths in the site, in the order of the site.
        made: paths of those that are made, by folder.
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
    places = _places()
    results = read_results(RESULTS)
    for source in places.pages:
        if source.endswith(".md"):
            text = filled((ROOT / source).read_text("utf-8"), results)
            layout.texts[places.pages[source]] = relinked(text, source, places)
    for folder, names in _SCRIPTS.items():
        layout.add(folder, _script_pages(folder, names, places, run=run_scripts))
    layout.add("reference/api", package_pages())
    layout.add("reference/cli", command_pages())
    layout.add("reference/protocol", protocol_pages())
    return layout


_SCRIPTS = {"tutorials": contents.TUTORIALS, "migration": contents.MIGRATIONS}


def _places() -> Places:
    """Where each document of the repository is in the site."""
    scripts = {
        f"docs/{folder}/{name}.py": f"{folder}/{name}.md"
        for folder, names in _SCRIPTS.items()
        for name in names
    }
    pages = {
        **contents.OWN,
        **contents.DOCUMENTS,
        **contents.further_documents(),
        **scripts,
        **{f"docs/{path}": path for path in _references()},
    }
    return Places(pages=pages, assets=_assets())


def _references() -> Iterable[str]:
    """Pages of the references that pages written by hand link to."""
    for folder in ("api", "cli", "protocol"):
        yield f"reference/{folder}/index.md"


def _assets() -> dict[str, str]:
    images = [path for pattern in contents.ASSETS for path in ROOT.glob(pattern)]
    assets = {
        path.relative_to(ROOT).as_posix(): f"assets/{path.name}" for path in images
    }
    figures = {f"docs/concepts/{name}.svg": f"assets/{name}.svg" for name in FIGURES}
    return assets | figures


def _script_pages(
    folder: str, names: Iterable[str], places: Places, *, run: bool
) -> dict[str, str]:
    pages = {}
    for name in names:
        script = literate.read_script(DOCS / folder / f"{name}.py")
        printed = None
        if run and not script.missing:
            with tempfile.TemporaryDirectory() as scratch:
                printed = literate.run_script(script, Path(scratch))
        text = literate.page_of(script, printed)
        pages[f"{name}.md"] = relinked(text, f"docs/{folder}/{name}.py", places)
    return pages


def write(layout: Layout, folder: Path) -> Path:
    """Write pages, figures, images and the configuration; the latter's path."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in layout.texts.items():
        target = folder / "pages" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    for source, path in _assets().items():
        target = folder / "pages" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.startswith("docs/concepts/"):
            draw(Path(source).stem, target)
        else:
            shutil.copy(ROOT / source, target)
    configuration = folder / "zensical.toml"
    configuration.write_text(_configuration(layout), "utf-8")
    return configuration


def _configuration(layout: Layout) -> str:
    """`docs/zensical.toml` with the version, the contents and the source."""
    titles = {path: _title(text) for path, text in layout.texts.items()}
    values = {
        "@VERSION@": gleann.__version__,
        '"@CONTENTS@"': contents.as_toml(contents.contents(titles, layout.made)),
        "@SOURCE@": str(ROOT / ".ns"),
    }
    text = (DOCS / "zensical.toml").read_text("utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _title(text: str) -> str:
    """The first heading of a page, without marks."""
    return headings(text)[0].replace("`", "")


def render(configuration: Path) -> int:
    """Make HTML; a link or an anchor that leads nowhere fails. The exit status."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.call(
        [*command, "--config-file", configuration], cwd=configuration.parent
    )
