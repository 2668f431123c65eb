"""How templates become Python in the sandbox: lookups in data only, guarded joins and comparisons."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

from engine.errors import dotted


class Code(CodeGenerator):
    """Generates text."""

    _temps = 0

    def _temp(self) -> str:
        self._temps += 1
        return f"v_{self._temps}"

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        """Join within limits."""
        self.write("environment.join_parts((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        """Compare numbers by value; with a text, or in a chain, as it stands."""
        text = any(
            isinstance(part, nodes.Const) and isinstance(part.value, str) for part in (node.expr, node.ops[0].expr)
        )
        if len(node.ops) != 1 or (text and node.ops[0].op in ("eq", "ne")):
            super().visit_Compare(node, frame)
            return
        self.write(f"environment.compare({node.ops[0].op!r}, ")
        self.visit(node.expr, frame)
        self.write(", ")
        self.visit(node.ops[0].expr, frame)
        self.write(")")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        """Look up a field; what is not there knows its whole path."""
        self._lookup(node.node, node.attr, place_of(node), frame)

    def _lookup(self, owner: nodes.Node, name: str, place: str, frame: Frame) -> None:
        held = self._temp()
        self.write(f"({held}[{name!r}] if ({held} := ")
        self.visit(owner, frame)
        self.write(f").__class__ is dict and {name!r} in {held} else environment.field({held}, {name!r}, {place!r}))")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        """Look up a field, an index or a slice."""
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            self._lookup(node.node, node.arg.value, place_of(node), frame)
            return
        self.write("environment.sliced(" if isinstance(node.arg, nodes.Slice) else "environment.element(")
        self.visit(node.node, frame)
        self.write(", ")
        if isinstance(node.arg, nodes.Slice):
            self._slice(node.arg, frame)
        else:
            self.visit(node.arg, frame)
            self.write(f", {place_of(node)!r})")

    def _slice(self, node: nodes.Slice, frame: Frame) -> None:
        self.write("slice(")
        for position, part in enumerate((node.start, node.stop, node.step)):
            self.write(", " if position else "")
            self.write("None") if part is None else self.visit(part, frame)
        self.write("))")

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:
        """Call a function of the library, or a method that data has here."""
        if isinstance(node.node, nodes.Getattr):
            self.write("environment.call_method(")
            self.visit(node.node.node, frame)
            self.write(f", {node.node.attr!r}")
        else:
            self.write("environment.call_function(context, ")
            self.visit(node.node, frame)
        for argument in node.args:
            self.write(", ")
            self.visit(argument, frame)
        self.write(")")

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible  # judged where it runs, like everything else
        return super()._output_child_to_const(node, frame, finalize)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("(v_out if (v_out := ")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(").__class__ is str else environment.finalize(v_out))")


class NativeCode(Code):
    """Generates one value instead of text."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        pass

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        pass


def place_of(node: nodes.Expr) -> str:
    """Write the path of a lookup as messages name it; fields of the record by themselves."""
    parts: list[str | int] = []
    current: nodes.Node = node
    while isinstance(current, (nodes.Getattr, nodes.Getitem)):
        key = current.attr if isinstance(current, nodes.Getattr) else getattr(current.arg, "value", None)
        if not isinstance(key, (str, int)):
            return str(parts[0]) if parts else ""
        parts.insert(0, key)
        current = current.node
    if isinstance(current, nodes.Name) and current.name not in ("record", "item", "input"):
        parts.insert(0, current.name)
    return dotted(tuple(parts))
