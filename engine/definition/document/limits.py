"""What a file of definitions may cost, so that a hostile one is refused soon."""

MAX_BYTES = 1_000_000
MAX_LINE = 100_000
MAX_LINES = 50_000
MAX_TEXT = 100_000
"""Characters of one value: more is data, and whatever looks at it would look for long."""
MAX_KEY = 1_000
MAX_DEPTH = 64
MAX_NODES = 6_000
MAX_NODES_OF_TESTS = 50_000
"""Tests hold records."""
MAX_VARIABLES = 2_000
MAX_EXPANDED = 10_000
"""Values that aliases may repeat, in all."""
MAX_PROBLEMS = 50
"""After so many problems of YAML itself, reading on helps nobody."""


def max_nodes(file: str) -> int:
    """Return how many values *file* may have."""
    return MAX_NODES_OF_TESTS if file.endswith((".test.yaml", ".test.yml")) else MAX_NODES
