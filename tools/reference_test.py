"""The reference pages say what the service says."""

import json
import unittest

from reference import PAGE, SOURCE, page


class Reference(unittest.TestCase):
    def test_the_page_is_what_the_method_table_says(self):
        document = json.loads(SOURCE.read_text(encoding="utf-8"))
        self.assertEqual(PAGE.read_text(encoding="utf-8"), page(document), "run tools/reference.py")


if __name__ == "__main__":
    unittest.main()
