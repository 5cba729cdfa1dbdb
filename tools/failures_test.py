"""What a failed run shows is why it failed, and not whatever ran last."""

import unittest

from failures import END, WORDS, names, words

CARGO = """running 2 tests
test a ... FAILED
test b ... ok

failures:

---- a stdout ----
thread 'a' panicked at tests/x.rs:1:1:
no picture
stack backtrace:
   0: x::a
             at ./tests/x.rs:1:1

failures:
    a

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
"""


class Failures(unittest.TestCase):
    def test_a_failure_is_told_though_others_ran_after_it(self):
        text = CARGO + "running 90 tests\n" + "test c ... ok\n" * 90
        self.assertEqual(names(text), ["a"])
        self.assertIn("no picture", words(text))
        self.assertNotIn("test c ... ok", words(text))
        self.assertFalse([line for line in words(text) if "x::a" in line or line.endswith("at ./tests/x.rs:1:1")])

    def test_pytest_tells_where_its_failures_are(self):
        text = "..F\n=== FAILURES ===\nE   assert 1 == 2\n=== short ===\nFAILED tests/test_a.py::test_b - assert 1 == 2\n"
        self.assertIn("E   assert 1 == 2", words(text))
        self.assertEqual([line for line in words(text) + names(text) if "test_b" in line], text.splitlines()[-1:])

    def test_of_a_build_that_fails_the_end_is_told(self):
        text = "compiling\n" * 500 + "error: no\n"
        self.assertEqual(words(text)[-1], "error: no")
        self.assertEqual(len(words(text)), END)

    def test_long_words_are_cut_in_their_middle(self):
        text = "failures:\n" + "first\n" + "x\n" * 1000 + "last\n"
        told = words(text)
        self.assertEqual(len(told), WORDS + 1)
        self.assertEqual((told[1], told[-1]), ("first", "last"))


if __name__ == "__main__":
    unittest.main()
