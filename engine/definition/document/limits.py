"""What a file of definitions may cost, so that a hostile one is refused soon."""

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 25_000
MAX_EXPANDED = 10_000
"""Values that aliases may repeat, in all."""
MAX_PROBLEMS = 50
"""After so many problems of YAML itself, reading on helps nobody."""
