"""Templates to Python: text with paths, filters, arithmetic and conditions; any other is rendered in the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.expressions.generate.writer import Scope, Writer
from engine.expressions.paths import is_template
from engine.expressions.values import Settings

MAX_OUTPUTS = 24
RECORDS = frozenset({"record", "item", "input"})


class TextWriter:
    """Writes templates into a function."""

    def __init__(self, writer: Writer, settings: Settings, slow: Callable[[Any, dict[str, str], bool], str]) -> None:
        self.writer = writer
        self.settings = settings
        self.slow = slow
        """Writes a rendering in the sandbox: what renders, and the variables templates see."""

    def emit(self, text: str, names: dict[str, str], scope: Scope, lenient: bool = False) -> str:
        """Write a template; with *lenient* a single value that is not there is null."""
        assert is_template(text)
        from engine.expressions.generate.simple import SimpleWriter, is_simple
        from engine.expressions.jinja.check import parse
        from engine.expressions.jinja.template import Rendering, single_value

        key = ("template", text, lenient, tuple(sorted(names.items())))
        if key in scope.memo:
            return scope.memo[key]
        tree, _ = parse(text, ())
        assert tree is not None
        single = single_value(tree)
        outputs = (
            [single]
            if single is not None
            else [part for output in tree.body for part in getattr(output, "nodes", [None])]
        )
        if len(outputs) <= MAX_OUTPUTS and all(is_simple(part, names) for part in outputs):
            simple = SimpleWriter(self.writer, self.settings, names, scope)
            scope.memo[key] = simple.single(single, lenient) if single is not None else simple.text(outputs)
        else:
            rendering = Rendering(text, tree, self.settings)
            scope.memo[key] = self.slow(rendering, names, lenient)
        return scope.memo[key]
