"""The references have every public name, command, option, call and field."""

import ast
from importlib import import_module

import click
import pytest

from docs.make import packages
from docs.make.commands import command_pages, names
from docs.make.packages import package_pages, public_names
from docs.make.protocol import protocol_pages
from gleann.service.cli.main import cli
from gleann.service.client import Client
from gleann.v1 import curation_pb2, search_pb2


def test_public_names_are_those_of_the_package():
    from gleann.selection.curation import plans

    assert public_names("gleann.selection.curation.plans") == plans.__all__


def test_every_public_package_has_its_page():
    pages = "".join(package_pages().values())
    for package in packages.PACKAGES.values():
        for name in public_names(package):
            assert f"::: {package}.{name}\n" in pages


def test_every_curation_package_has_its_page():
    folder = packages.ROOT / "selection" / "curation"
    rooms = {path.parent.name: path for path in folder.glob("*/__init__.py")}
    own = rooms.pop("forecast")  # for plans of a server: it offers no names
    assert "__all__" not in own.read_text("utf-8")
    documented = {package.split(".")[-1] for package in packages.PACKAGES.values()}
    assert rooms
    assert rooms.keys() <= documented


def test_every_object_of_a_client_is_described(tmp_path):
    with Client(tmp_path) as client:
        kinds = {name for name in vars(client) if not name.startswith("_")}
    assert "vectors" in kinds
    assert kinds - {"curation"} == set(packages.CALLS)


@pytest.mark.parametrize(
    "path",
    [
        *packages.CLIENT,
        *packages.CALLS.values(),
        *packages.CURATION,
        *packages.INDEX_ALSO,
    ],
)
def test_what_is_named_by_path_exists(path):
    home, _, name = path.rpartition(".")
    assert hasattr(import_module(home), name)


@pytest.mark.parametrize("path", packages.ADAPTERS)
def test_adapters_are_described_without_an_import(path):
    module, name = path.split(".")
    file = packages.ROOT / "service" / "adapters" / f"{module}.py"
    defined = {getattr(one, "name", "") for one in ast.parse(file.read_text()).body}
    assert name in defined
    assert f"::: gleann.service.adapters.{path}\n" in package_pages()["adapters.md"]


def test_every_module_of_adapters_is_described():
    folder = packages.ROOT / "service" / "adapters"
    shared = {"__init__", "conditions", "grown_index"}
    modules = {path.stem for path in folder.glob("*.py")} - shared
    assert modules == {path.split(".")[0] for path in packages.ADAPTERS}


def test_modules_of_gleann_itself_are_described():
    pages = package_pages()
    assert "::: gleann.data.open\n" in pages["data.md"]
    assert "::: gleann.sklearn.GleannNeighbors\n" in pages["sklearn.md"]


def test_every_command_and_option_is_described():
    pages = command_pages()
    assert set(pages) == {"overview.md", *(f"{name}.md" for name in names())}
    for name in names():
        context = click.Context(cli, info_name="gleann")
        for path, command in leaves(cli.get_command(context, name), f"gleann {name}"):
            assert f"# {path}\n" in pages[f"{name}.md"]
            for parameter in command.params:
                if isinstance(parameter, click.Option) and not parameter.hidden:
                    assert parameter.opts[0] in pages[f"{name}.md"]


def leaves(command, path):
    """A command and those in it, by their paths."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), f"{path} {name}")


def test_examples_stand_on_lines_of_their_own():
    page = command_pages()["search.md"]
    assert "```sh\ngleann search words.gleann queries.npy --k 10" in page
    assert "\b" not in page
    assert "Examples:" not in page


def test_every_call_and_message_is_described():
    pages = protocol_pages()
    text = "".join(pages.values())
    for module in (search_pb2, curation_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for call in service.methods:
                assert f"| `{call.name}` |" in text
        for message in module.DESCRIPTOR.message_types_by_name.values():
            assert f"## {message.name}\n" in text
            for field in message.fields:
                assert f"| `{field.name}` | {field.number} |" in text
    assert "finds nearest neighbours" in pages["search.md"]
    assert (
        "| `effort` | 6 | optional [`Effort`](search.md#effort) |" in pages["search.md"]
    )
