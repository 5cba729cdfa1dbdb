"""The web client's types are the service's."""

import json
import unittest

from typescript import SOURCE, TARGET, module, type_of


class Types(unittest.TestCase):
    def test_the_file_is_what_the_method_table_says(self):
        document = json.loads(SOURCE.read_text(encoding="utf-8"))
        self.assertEqual(TARGET.read_text(encoding="utf-8"), module(document), "run tools/typescript.py")

    def test_plain_types_words_and_lists(self):
        for schema, text in [
            ({"type": "integer", "minimum": 0}, "number"),
            ({"type": ["string", "null"]}, "string | null"),
            ({"type": ["integer", "number"]}, "number"),
            ({"enum": ["age", "it's", 3, None]}, "'age' | 'it\\'s' | 3 | null"),
            ({"const": "pong"}, "'pong'"),
            ({"type": "array", "items": {"type": ["integer", "null"]}}, "(number | null)[]"),
            ({"type": "array", "items": {"$ref": "#/components/schemas/Camera"}}, "Camera[]"),
            ({"type": "array"}, "unknown[]"),
            ({"anyOf": [{"type": "string"}, {"type": "boolean"}]}, "string | boolean"),
            ({"allOf": [{"$ref": "#/x/A"}, {"type": ["string", "null"]}]}, "A & (string | null)"),
            ({}, "unknown"),
        ]:
            self.assertEqual(type_of(schema), text)

    def test_an_object_names_what_is_required_and_what_any_member_may_be(self):
        schema = {
            "type": ["object", "null"],
            "properties": {"a-b": {"type": "string"}, "c": {"type": "array", "items": {"enum": [1, 2]}}},
            "required": ["c"],
        }
        self.assertEqual(type_of(schema), "{\n  'a-b'?: string;\n  c: (1 | 2)[];\n} | null")
        self.assertEqual(type_of({"type": "object"}), "Record<string, unknown>")
        self.assertEqual(
            type_of({"type": "object", "additionalProperties": {"type": "integer"}}), "Record<string, number>"
        )


if __name__ == "__main__":
    unittest.main()
