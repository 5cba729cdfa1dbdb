#!/usr/bin/env python3
"""Writes web/src/rpc/contract.ts, the types of every method, from the service's own `rpc.discover`.

The document is the golden file of the tests, so the web client cannot be written against a method
that the service does not have.

    tools/typescript.py           writes the types
    tools/typescript.py --check   fails when they are out of date

(Not called types.py: scripts of this folder would then find it where Python's own `types` should be.)
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests/golden/openrpc.json"
TARGET = ROOT / "web/src/rpc/contract.ts"

HEAD = """/**
 * Every method's parameters and result, as the service describes them. Written by
 * `tools/typescript.py`; change the method table, not this file.
 */
"""

PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def key(name: str) -> str:
    """A member's name, in quotes where it must be."""
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else literal(name)


def literal(value: object) -> str:
    """A JSON value as a literal type."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
        return f"'{text}'"
    return json.dumps(value)


def comment(text: str | None, indent: str) -> list[str]:
    """A description as a comment."""
    if not text:
        return []
    return [f"{indent}/** {text.strip().replace('*/', '* /')} */"]


def union(types: list[str]) -> str:
    """Several types, each once."""
    return " | ".join(dict.fromkeys(types))


def type_of(schema: object, indent: str = "") -> str:
    """A schema as a type. What it says of ranges and patterns has no type and is left out."""
    if schema is False:
        return "never"
    if not isinstance(schema, dict):
        return "unknown"
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "const" in schema:
        return literal(schema["const"])
    if "enum" in schema:
        return union([literal(value) for value in schema["enum"]])
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return union([type_of(part, indent) for part in schema[word]])
    if "allOf" in schema:
        return " & ".join(grouped(type_of(part, indent)) for part in schema["allOf"])
    kinds = schema.get("type")
    if kinds is None and "properties" in schema:
        kinds = "object"
    if isinstance(kinds, list):
        return union([type_of({**schema, "type": kind}, indent) for kind in kinds])
    if kinds == "array":
        return f"{grouped(type_of(schema.get('items'), indent))}[]"
    if kinds == "object":
        return object_of(schema, indent)
    return PLAIN.get(kinds, "unknown")


def grouped(text: str) -> str:
    """In brackets, where what follows would bind to a part of it only."""
    return f"({text})" if re.search(r" [|&] ", re.sub(r"\{.*\}|'[^']*'", "", text, flags=re.S)) else text


def object_of(schema: dict, indent: str) -> str:
    """An object: its members, or what any member must be."""
    properties = schema.get("properties")
    if not properties:
        more = schema.get("additionalProperties", True)
        return f"Record<string, {'unknown' if more is True else type_of(more, indent)}>"
    required = set(schema.get("required", []))
    inner = indent + "  "
    lines = ["{"]
    for name, member in properties.items():
        told = member.get("description") if isinstance(member, dict) else None
        lines += comment(told, inner)
        mark = "" if name in required else "?"
        lines.append(f"{inner}{key(name)}{mark}: {type_of(member, inner)};")
    return "\n".join([*lines, indent + "}"])


def shape(name: str, schema: dict) -> list[str]:
    """One named shape."""
    lines = ["", *comment(schema.get("description"), "")]
    text = type_of(schema)
    if schema.get("type") == "object" and schema.get("properties"):
        return [*lines, f"export interface {name} {text}"]
    return [*lines, f"export type {name} = {text};"]


def method(entry: dict) -> list[str]:
    """One method's member of `Methods`."""
    params = "undefined"
    if entry["params"]:
        params = object_of(
            {
                "properties": {
                    p["name"]: {"description": p.get("description"), **p["schema"]} for p in entry["params"]
                },
                "required": [p["name"] for p in entry["params"] if p.get("required")],
            },
            "    ",
        )
    return [
        *comment(entry.get("summary"), "  "),
        f"  {key(entry['name'])}: {{",
        f"    params: {params};",
        f"    result: {type_of(entry['result']['schema'], '    ')};",
        "  };",
    ]


def module(document: dict) -> str:
    """The whole file."""
    lines = [HEAD.rstrip()]
    for name, schema in document["components"]["schemas"].items():
        lines += shape(name, schema)
    lines += ["", "export interface Methods {"]
    for entry in document["methods"]:
        lines += method(entry)
    lines += ["}", "", "export interface Notifications {"]
    for entry in document.get("x-notifications", []):
        lines += comment(entry.get("summary"), "  ")
        lines.append(f"  {key(entry['name'])}: {type_of(entry.get('params', {}), '  ')};")
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    TEXT = module(json.loads(SOURCE.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != TEXT:
            sys.exit("web/src/rpc/contract.ts is out of date: run tools/typescript.py")
    else:
        TARGET.write_text(TEXT, encoding="utf-8")
