"""``make fuzz``: throws changed definitions and random expressions at the engine, for MINUTES.

    MINUTES=10 SEED=1 python scripts/fuzz.py

What breaks a promise (``tests/hostile/fuzz_oracle.py``) is made small, saved below ``tests/hostile/regressions`` and
tried by the tests from then on. Exits 1 when something was found.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.hostile import fuzz_mutations as mutations  # noqa: E402
from tests.hostile import fuzz_oracle as oracle  # noqa: E402

REGRESSIONS = ROOT / "tests" / "hostile" / "regressions"
BATCH = 150
SOURCES = mutations.sources()
GOOD = [source for source in SOURCES if "/invalid/" not in source.name]
ANY = st.one_of(st.sampled_from(GOOD), st.sampled_from(SOURCES))


class Fuzzer:
    """Runs batches until the time is up; a promise that was broken once is not reported again."""

    def __init__(self, folder: Path, until: float) -> None:
        self._folder, self._until = folder, until
        self.tried: Counter[str] = Counter()
        self.found: dict[str, str] = {}
        self._last: tuple[str, bytes] = ("", b"")

    def run(self, first: int) -> None:
        """Take turns between the kinds of input."""
        number = first
        while time.monotonic() < self._until:
            for kind, one in (
                ("tree", self._tree),
                ("text", self._text),
                ("query", self._query),
                ("template", self._template),
            ):
                self._batch(kind, one, number)
                number += 1

    def _batch(self, kind: str, one: Callable[[], Callable[[], None]], number: int) -> None:
        try:
            seed(number)(one())()
        except oracle.Broken as broken:
            self._keep(kind, broken)

    def _keep(self, kind: str, broken: oracle.Broken) -> None:
        place, data = self._last
        name = f"{kind}-{hashlib.sha256(broken.kind.encode()).hexdigest()[:8]}"
        self.found[broken.kind] = name
        folder = REGRESSIONS / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / (Path(place).name or "expression.txt")).write_bytes(data)
        (folder / "said").write_text(f"{place}\n{broken}\n", encoding="utf-8", errors="backslashreplace")
        print(f"FOUND {name}: {str(broken)[:600]}", flush=True)

    def _guarded(self, kind: str, work: Callable[[], None]) -> None:
        if time.monotonic() > self._until:
            return
        self.tried[kind] += 1
        try:
            work()
        except oracle.Broken as broken:
            if broken.kind not in self.found:
                raise

    def _definition(self, kind: str, source: mutations.Source, text: str, flags: int) -> None:
        self._last = (source.place, text.encode("utf-8", "surrogatepass"))
        folder = oracle.project(self._folder / "project", *self._last)
        self._guarded(kind, lambda: oracle.hold(folder, flags))

    def _tree(self) -> Callable[[], None]:
        @_SETTINGS
        @given(ANY, mutations.CHANGES, st.integers(0, 15))
        def trees(source: mutations.Source, changes: list[tuple[int, int, object]], flags: int) -> None:
            self._definition("tree", source, mutations.as_tree(source, changes), flags)

        return trees

    def _text(self) -> Callable[[], None]:
        @_SETTINGS
        @given(ANY, mutations.CHANGES, st.integers(0, 15))
        def texts(source: mutations.Source, changes: list[tuple[int, int, object]], flags: int) -> None:
            self._definition("text", source, mutations.as_text(source, changes), flags)

        return texts

    def _expression(self, kind: str, text: str) -> None:
        self._last = ("", text.encode("utf-8", "surrogatepass"))
        self._guarded(kind, lambda: oracle.expression(text))

    def _query(self) -> Callable[[], None]:
        return _SETTINGS(given(mutations.QUERIES)(lambda text: self._expression("query", text)))

    def _template(self) -> Callable[[], None]:
        return _SETTINGS(given(mutations.TEMPLATES)(lambda text: self._expression("template", text)))


_SETTINGS = settings(
    max_examples=BATCH,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)


def main() -> int:
    """Fuzz for MINUTES."""
    minutes = float(os.environ.get("MINUTES", "10"))
    with tempfile.TemporaryDirectory() as name:
        fuzzer = Fuzzer(Path(name), time.monotonic() + minutes * 60)
        fuzzer.run(int(os.environ.get("SEED", str(int(time.time())))))
    print(", ".join(f"{count} of kind {kind}" for kind, count in sorted(fuzzer.tried.items())))
    print("\n".join(f"broken: {kind} ({name})" for kind, name in fuzzer.found.items()) or "nothing broke")
    return 1 if fuzzer.found else 0


if __name__ == "__main__":
    sys.exit(main())
