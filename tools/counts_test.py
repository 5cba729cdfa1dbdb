"""The closing lines of each runner, as they really look."""

import unittest

from counts import counts


class Counts(unittest.TestCase):
    def test_each_runner_is_understood(self):
        self.assertEqual(counts("test result: ok. 7 passed; 0 failed; 2 ignored; 0 measured"), (7, 0, 2))
        self.assertEqual(counts("# pass 3\n# fail 1\n# skipped 0"), (3, 1, 0))
        self.assertEqual(counts("ℹ pass 3\nℹ fail 0"), (3, 0, 0))
        self.assertEqual(counts("==== 2 failed, 8 passed, 1 skipped in 12.34s ===="), (8, 2, 1))
        self.assertEqual(counts("8 passed in 2.01s"), (8, 0, 0))
        fuzz = "fuzz rpc: ok, 9 seeds, 4000 runs, 3 s\nfuzz h264: failed; its input is target/fuzz/found/h264-crash-1\n"
        self.assertEqual(counts(fuzz), (1, 1, 0))
        self.assertEqual(counts("Ran 4 tests in 0.1s\n\nFAILED (failures=1, errors=1)"), (2, 2, 0))

    def test_several_binaries_add_up(self):
        line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n"
        self.assertEqual(counts(line * 3), (6, 0, 0))


if __name__ == "__main__":
    unittest.main()
