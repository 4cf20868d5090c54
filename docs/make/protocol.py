"""Pages of the protocol: services and messages with their comments, from descriptors.

protoc keeps the comments of the .proto files beside the descriptors when it is told to;
the modules that are generated for Python have none.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from proto.generate import image_in

Comments = Mapping[tuple[int, ...], str]

_MESSAGES, _ENUMS, _SERVICES, _SYNTAX = 4, 5, 6, 12
_FIELDS, _NESTED, _NESTED_ENUMS = 2, 3, 4
_PACKAGE = "gleann/v1/"
_MARKS = re.compile(r"[][*_<]")


def protocol_pages() -> dict[str, str]:
    """The text of each page of the protocol, by its file name."""
    files = [file for file in _files() if file.name.startswith(_PACKAGE)]
    homes = {f".gleann.v1.{name}": _page(file) for file in files for name in _of(file)}
    pages = {_page(file): _file_page(file, homes) for file in files}
    return {"overview.md": _overview(files)} | pages


def _files() -> list[FileDescriptorProto]:
    with tempfile.TemporaryDirectory() as scratch:
        image = image_in(Path(scratch)).read_bytes()
    return sorted(FileDescriptorSet.FromString(image).file, key=lambda file: file.name)


def _page(file: FileDescriptorProto) -> str:
    return f"{_stem(file)}.md"


def _stem(file: FileDescriptorProto) -> str:
    return file.name.removeprefix(_PACKAGE).removesuffix(".proto")


def _of(file: FileDescriptorProto) -> Iterator[str]:
    """Names of its messages and enums, those inside messages by their outer one."""
    yield from (enum.name for enum in file.enum_type)
    for message in file.message_type:
        yield message.name
        yield from (f"{message.name}.{inner.name}" for inner in message.nested_type)
        yield from (f"{message.name}.{inner.name}" for inner in message.enum_type)


def _overview(files: list[FileDescriptorProto]) -> str:
    lines = [
        "# Protocol",
        "",
        "`gleann.v1`, from the descriptors of `proto/gleann/v1`. Vectors travel as"
        " little-endian bytes with their dtype and dimension.",
        "",
        "| file | services | calls |",
        "|---|---|---|",
    ]
    for file in files:
        services = ", ".join(f"`{service.name}`" for service in file.service)
        calls = sum(len(service.method) for service in file.service)
        lines.append(f"| [{_stem(file)}]({_page(file)}) | {services} | {calls or ''} |")
    return "\n".join(lines) + "\n"


def _file_page(file: FileDescriptorProto, homes: Mapping[str, str]) -> str:
    comments = _comments(file)
    parts = [f"# {_stem(file)}.proto", comments.get((_SYNTAX,), "")]
    for number, service in enumerate(file.service):
        parts += _service(service, (_SERVICES, number), comments, homes)
    for number, message in enumerate(file.message_type):
        parts += _message(message, message.name, (_MESSAGES, number), comments, homes)
    for number, enum in enumerate(file.enum_type):
        parts += _enum(enum, enum.name, (_ENUMS, number), comments)
    return "\n\n".join(part for part in parts if part) + "\n"


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Leading comments by the path of what they stand before."""
    return {
        tuple(place.path): _plain(" ".join(place.leading_comments.split()))
        for place in file.source_code_info.location
        if place.leading_comments
    }


def _service(
    service: ServiceDescriptorProto,
    path: tuple[int, ...],
    comments: Comments,
    homes: Mapping[str, str],
) -> Iterator[str]:
    yield f"## {service.name}"
    yield comments.get(path, "")
    rows = []
    for number, call in enumerate(service.method):
        asked = _streamed(_typed(call.input_type, homes), stream=call.client_streaming)
        given = _streamed(_typed(call.output_type, homes), stream=call.server_streaming)
        about = comments.get((*path, _FIELDS, number), "")
        rows.append(f"| `{call.name}` | {asked} | {given} | {_cell(about)} |")
    yield "\n".join(["| call | takes | returns | |", "|---|---|---|---|", *rows])


def _streamed(text: str, *, stream: bool) -> str:
    return f"stream of {text}" if stream else text


def _message(
    message: DescriptorProto,
    name: str,
    path: tuple[int, ...],
    comments: Comments,
    homes: Mapping[str, str],
) -> Iterator[str]:
    yield f"## {name}"
    yield comments.get(path, "")
    rows = [
        f"| `{field.name}` | {field.number} | {_kind(field, message, homes)} |"
        f" {_cell(comments.get((*path, _FIELDS, number), ''))} |"
        for number, field in enumerate(message.field)
    ]
    if rows:
        yield "\n".join(["| field | number | type | |", "|---|---|---|---|", *rows])
    for number, inner in enumerate(message.nested_type):
        if not inner.options.map_entry:
            inner_path = (*path, _NESTED, number)
            yield from _message(
                inner, f"{name}.{inner.name}", inner_path, comments, homes
            )
    for number, enum in enumerate(message.enum_type):
        inner_path = (*path, _NESTED_ENUMS, number)
        yield from _enum(enum, f"{name}.{enum.name}", inner_path, comments)


def _enum(
    enum: EnumDescriptorProto, name: str, path: tuple[int, ...], comments: Comments
) -> Iterator[str]:
    yield f"## {name}"
    yield comments.get(path, "")
    rows = [
        f"| `{value.name}` | {value.number} |"
        f" {_cell(comments.get((*path, _FIELDS, number), ''))} |"
        for number, value in enumerate(enum.value)
    ]
    yield "\n".join(["| value | number | |", "|---|---|---|", *rows])


def _kind(
    field: FieldDescriptorProto, message: DescriptorProto, homes: Mapping[str, str]
) -> str:
    for inner in message.nested_type:
        if inner.options.map_entry and field.type_name.endswith(f".{inner.name}"):
            key, value = (_kind(part, inner, homes) for part in inner.field)
            return f"map of {key} to {value}"
    if field.type_name:
        kind = _typed(field.type_name, homes)
    else:
        kind = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    words = ["repeated"] * repeated + ["optional"] * field.proto3_optional
    if field.HasField("oneof_index") and not field.proto3_optional:
        words.append(f"one of `{message.oneof_decl[field.oneof_index].name}`:")
    return " ".join([*words, kind])


def _typed(name: str, homes: Mapping[str, str]) -> str:
    """A message or enum, with a link where it is ours."""
    short = name.removeprefix(".gleann.v1.").removeprefix(".")
    if name not in homes:
        return f"`{short}`"
    anchor = short.lower().replace(".", "")
    return f"[`{short}`]({homes[name]}#{anchor})"


def _plain(text: str) -> str:
    """A comment with what Markdown would read as marks escaped, but for code."""
    parts = text.split("`")
    parts[::2] = [_MARKS.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
