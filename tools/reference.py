#!/usr/bin/env python3
"""Writes docs/reference/json-rpc.md from the OpenRPC document that `rpc.discover` answers.

The document is the golden file of the tests, so the page cannot say what the service does not do.

    tools/reference.py           writes the page
    tools/reference.py --check   fails when the page is out of date
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests/golden/openrpc.json"
PAGE = ROOT / "docs/reference/json-rpc.md"

HEAD = """# JSON-RPC methods

Written by `tools/reference.py` from the service's own `rpc.discover`; change the method table, not this page.

One WebSocket, `ws://box:8002/ws` (also on the page's port), JSON-RPC 2.0, parameters by name, no batches.
Log in once with `authenticate`; requests of one connection run side by side.
"""


def resolved(thing: dict, document: dict) -> dict:
    """The thing itself, where it is only referred to."""
    if "$ref" not in thing:
        return thing
    at = document
    for step in thing["$ref"].removeprefix("#/").split("/"):
        at = at[step]
    return at


def type_of(schema: dict) -> str:
    """A schema in a word."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "enum" in schema:
        return " \\| ".join(str(v) for v in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"{type_of(schema.get('items', {}))}[]"
    return " or ".join(kind) if isinstance(kind, list) else kind


def table(rows: list[tuple[str, ...]], *heads: str) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def fields(schema: dict) -> list[str]:
    """The fields of an object, if it has any."""
    properties = schema.get("properties", {})
    rows = [(f"`{name}`", type_of(sub), sub.get("description", "")) for name, sub in properties.items()]
    return ["", *table(rows, "field", "type", "meaning")] if rows else []


def method(entry: dict, document: dict) -> list[str]:
    """One method as a section."""
    lines = [f"## {entry['name']}", "", entry["summary"], ""]
    lines.append(f"Minimum role: {entry.get('x-minimum-role') or 'none'}.")
    if entry["params"]:
        rows = [
            (f"`{p['name']}`", type_of(p["schema"]), "yes" if p.get("required") else "no",
             p.get("description") or p.get("summary") or "")
            for p in entry["params"]
        ]
        lines += ["", *table(rows, "parameter", "type", "required", "meaning")]
    schema = entry["result"]["schema"]
    lines += ["", f"Result: {type_of(schema)}."]
    if "$ref" not in schema:
        lines += fields(schema)
    codes = [resolved(e, document) for e in entry["errors"]]
    lines += ["", "Errors: " + ", ".join(f"{e['code']} {e['message']}" for e in codes) + ".", ""]
    return lines


def page(document: dict) -> str:
    """The whole page."""
    lines = [HEAD]
    for entry in document["methods"]:
        lines += method(entry, document)
    lines += ["# Shapes", ""]
    for name, schema in document["components"]["schemas"].items():
        lines += [f"## {name}", "", schema.get("description", ""), *fields(schema), ""]
    lines += ["# Notifications", ""]
    for entry in document["x-notifications"]:
        lines += [f"## {entry['name']}", "", entry.get("summary", ""), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    text = page(json.loads(SOURCE.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != text:
            sys.exit("docs/reference/json-rpc.md is out of date: run tools/reference.py")
    else:
        PAGE.write_text(text, encoding="utf-8")
