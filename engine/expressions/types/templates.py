"""What a template gives where the types of its names are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import nodes

from engine.expressions.jinja.code import place_of
from engine.expressions.jinja.template import single_value
from engine.expressions.plan import Text
from engine.expressions.types import calls, filters, guards, operators
from engine.expressions.types.acts import NUMERIC, never, solid, union, unions
from engine.expressions.types.model import ANY, BOOLEAN, NUMBER, TEXT, Field, Kind, Type, listed, made_of
from engine.expressions.types.of_values import exactly
from engine.expressions.types.operators import last, said
from engine.expressions.types.report import Report, Told
from engine.expressions.types.words import describe

_LIST: frozenset[Kind] = frozenset({"list"})
_TEXT: frozenset[Kind] = frozenset({"text"})
_FALSY: frozenset[Kind] = frozenset({"null", "boolean", "integer", "number", "text", "list", "object"})
_METHODS: Mapping[str, tuple[Kind, Type]] = {
    **dict.fromkeys(("upper", "lower", "strip", "lstrip", "rstrip"), ("text", TEXT)),
    **dict.fromkeys(("startswith", "endswith", "isdigit"), ("text", BOOLEAN)),
    "split": ("text", listed(TEXT)),
    "items": ("object", listed(listed())),
    "keys": ("object", listed(TEXT)),
    "values": ("object", listed()),
    "get": ("object", ANY),
}
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}


class ToldOfTemplate(Told):
    """Reports for one template: finds the names it asks after when that is first of interest."""

    __slots__ = ("tree",)

    tree: nodes.Template

    def asked(self) -> Iterable[str]:
        """Return the names whose absence the template provides for."""
        if not self.names:
            self.names = frozenset(guards.guarded(self.tree)) | {""}
        return self.names


def of_template(
    tree: nodes.Template, node: Text, names: Mapping[str, Type], report: Report, *, lenient: bool = False
) -> Type:
    """Return what a template gives; *lenient*: where it is one path that is not there, null."""
    told = ToldOfTemplate(report, node.path, node.text, True)
    told.tree = tree
    follow = Templates(told, names)
    single = single_value(tree)
    if single is None:
        follow.body(tree.body)
        return TEXT
    if lenient and isinstance(single, (nodes.Name, nodes.Getattr, nodes.Getitem)):
        told.excused = True
        made = follow.value(single)
        return made if made.any or follow.sure_of(single) else made.or_null()
    return follow.value(single)


class Templates:
    """Follows one template."""

    __slots__ = ("known", "names", "own", "told")

    def __init__(self, told: Told, names: Mapping[str, Type]) -> None:
        self.told = told
        self.names = names
        self.own: dict[str, Type] = {}
        self.known: guards.Known = frozenset()

    # statements

    def body(self, statements: Iterable[nodes.Node]) -> None:
        """Follow statements that write text."""
        for statement in statements:
            if isinstance(statement, nodes.Output):
                for part in statement.nodes:
                    if not isinstance(part, nodes.TemplateData):
                        self._in_text(self.value(part), part)
            elif isinstance(statement, nodes.If):
                self._if(statement)
            elif isinstance(statement, nodes.For):
                self._for(statement)
            elif isinstance(statement, nodes.Assign):
                self._assign(statement)

    def _in_text(self, given: Type, node: nodes.Node) -> None:
        if never(given, NUMERIC | {"text", "boolean"}):
            what = describe(given.without_null())
            hint = "take one of its fields, or write it as JSON with | tojson"
            if "list" in given.kinds:
                hint = "take one element, join them with | join(', '), or write it as JSON with | tojson"
            self.told.mismatch(f"{said(node)} is {what}, which cannot stand in a text", hint, last(node))

    def _if(self, node: nodes.If) -> None:
        self.value(node.test)
        before, own = self.known, dict(self.own)
        self.known = before | guards.holds(node.test)
        self.body(node.body)
        after, self.own = self.own, dict(own)
        self.known = before | guards.holds(node.test, False)
        for other in node.elif_:
            self._if(other)
        self.body(node.else_)
        self.known = before
        for name, made in after.items():
            self.own[name] = union(made, self.own[name]) if name in self.own else ANY

    def _for(self, node: nodes.For) -> None:
        items = self._looped(self.value(node.iter), node.iter)
        before = dict(self.own)
        assigned = {name.name for name in node.find_all(nodes.Name) if name.ctx == "store"}
        self.own |= dict.fromkeys((*assigned, "loop"), ANY)
        if isinstance(node.target, nodes.Name):
            self.own[node.target.name] = items
        if node.test is not None:
            self.value(node.test)
        self.body(node.body)
        self.own = before
        self.body(node.else_)

    def _looped(self, given: Type, node: nodes.Node) -> Type:
        if never(given, frozenset({"list", "object"})):
            what = describe(given.without_null())
            self.told.mismatch(f"a loop goes over a list, and {said(node)} is {what}", "", last(node))
        if "object" in given.kinds:
            return ANY if "list" in given.kinds else TEXT
        return ANY if given.items is None else given.items

    def _assign(self, node: nodes.Assign) -> None:
        made = self.value(node.node)
        for name in (node.target, *node.target.find_all(nodes.Name)):
            if isinstance(name, nodes.Name):
                self.own[name.name] = made if name is node.target else ANY

    # values

    def value(self, node: nodes.Node) -> Type:
        """Return the type of an expression."""
        follow = _FOLLOW.get(type(node))
        return ANY if follow is None else follow(self, node)

    def _const(self, node: Any) -> Type:
        return exactly(node.value)

    def _name(self, node: Any) -> Type:
        found = self.own.get(node.name)
        made = found if found is not None else self.names.get(node.name, ANY)
        return self._narrowed(made, node)

    def _getattr(self, node: Any) -> Type:
        return self._field(node, node.attr)

    def _getitem(self, node: Any) -> Type:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._field(node, node.arg.value)
        owner = self.value(node.node)
        if isinstance(node.arg, nodes.Slice):
            kept = owner.kinds & {"list", "text"}
            return Type(kept, items=owner.items) if kept and not owner.any else ANY
        self.value(node.arg)
        if isinstance(node.arg, nodes.Const) and never(owner, frozenset({"list", "text", "object"})):
            what = describe(owner.without_null())
            self.told.mismatch(f"{said(node.node)} is {what}, which has no elements", "", last(node.node))
        if solid(owner) == _TEXT:
            return TEXT
        return owner.items if owner.items is not None and solid(owner) == _LIST else ANY

    def _field(self, node: Any, name: str) -> Type:
        owner = self.value(node.node)
        if owner.any:
            return ANY
        found = owner.fields.get(name)
        if found is None:
            self.told.field(owner, name, place_of(node))
            return ANY
        return self._narrowed(found.type, node) if self.known else found.type

    def _narrowed(self, made: Type, node: nodes.Node) -> Type:
        if self.known and made.nullable and len(made.kinds) > 1 and (guards.place(node), True) in self.known:
            return made.without_null()
        return made

    def sure_of(self, node: nodes.Node) -> bool:
        """Tell whether a path is always there."""
        if isinstance(node, nodes.Name):
            return True
        if not isinstance(node, nodes.Getattr) and not (
            isinstance(node, nodes.Getitem) and isinstance(getattr(node.arg, "value", None), str)
        ):
            return False
        name = node.attr if isinstance(node, nodes.Getattr) else node.arg.value  # type: ignore[attr-defined]
        owner = Templates(Told(Report(), (), "", True), self.names).value(node.node)
        found = owner.fields.get(name)
        return found is not None and found.always and owner.kinds == {"object"} and self.sure_of(node.node)

    def _filter(self, node: Any) -> Type:
        return filters.of_filter(node, self, self.told)

    def _test(self, node: Any) -> Type:
        self.value(node.node)
        for part in node.args:
            self.value(part)
        return BOOLEAN

    def _call(self, node: Any) -> Type:
        if isinstance(node.node, nodes.Getattr):
            return self._method(node)
        arguments = [self.value(part) for part in node.args]
        if not isinstance(node.node, nodes.Name):
            return ANY
        return calls.of_library(node.node.name, arguments, self.told, [said(part) for part in node.args])

    def _method(self, node: Any) -> Type:
        owner, name = self.value(node.node.node), node.node.attr
        for part in node.args:
            self.value(part)
        kind, made = _METHODS.get(name, ("text", ANY))
        if name not in _METHODS or never(owner, frozenset({kind})):
            what = describe(owner.without_null())
            if solid(owner) and "other" not in owner.kinds and not owner.any:
                self.told.mismatch(f"{said(node.node.node)} is {what}, which has no method {name}()", "", name)
            return ANY
        return made

    def _list(self, node: Any) -> Type:
        return listed(unions(self.value(part) for part in node.items) if node.items else None)

    def _dict(self, node: Any) -> Type:
        fields = {}
        plain = True
        for pair in node.items:
            made = self.value(pair.value)
            key = getattr(pair.key, "value", None)
            plain = plain and isinstance(key, str)
            fields[str(key)] = Field(made)
        return made_of(fields) if plain else made_of({}, "yes")

    def _concat(self, node: Any) -> Type:
        for part in node.nodes:
            self._in_text(self.value(part), part)
        return TEXT

    def _choice(self, node: Any) -> Type:
        self.value(node.test)
        before = self.known
        self.known = before | guards.holds(node.test)
        made = self.value(node.expr1)
        self.known = before | guards.holds(node.test, False)
        made = made if node.expr2 is None else union(made, self.value(node.expr2))
        self.known = before
        return made

    def _both(self, node: Any) -> Type:
        """Follow ``and`` and ``or``."""
        truth = isinstance(node, nodes.And)
        left = self.value(node.left) if truth else self._true(node.left)
        before = self.known
        self.known = before | guards.holds(node.left, truth)
        right = self.value(node.right)
        self.known = before
        if left.any or right.any:
            return ANY
        if not truth:
            return union(left.without_null(), right) if solid(left) else right
        falsy = left.kinds & _FALSY
        return union(Type(falsy, left.fields, left.further, left.items), right) if falsy else right

    def _true(self, node: Any) -> Type:
        """Return the type of a value where that is not false: of ``a and b`` only ``b``."""
        made = self.value(node)
        if not isinstance(node, nodes.And):
            return made
        before = self.known
        self.known = before | guards.holds(node.left)
        made = self._true(node.right)
        self.known = before
        return made

    def _not(self, node: Any) -> Type:
        self.value(node.node)
        return BOOLEAN

    def _sign(self, node: Any) -> Type:
        inner = self.value(node.node)
        kept = inner.kinds & NUMERIC
        return Type(kept) if kept and not inner.any else NUMBER

    def _arithmetic(self, node: Any) -> Type:
        left, right = self.value(node.left), self.value(node.right)
        return operators.arithmetic(self.told, node, left, right)

    def _compare(self, node: Any) -> Type:
        types = [self.value(node.expr), *(self.value(part.expr) for part in node.ops)]
        operators.compare(self.told, node, types)
        return BOOLEAN


_FOLLOW: Mapping[type[nodes.Node], Callable[[Templates, Any], Type]] = {
    nodes.Const: Templates._const,
    nodes.Name: Templates._name,
    nodes.Getattr: Templates._getattr,
    nodes.Getitem: Templates._getitem,
    nodes.Filter: Templates._filter,
    nodes.Test: Templates._test,
    nodes.Call: Templates._call,
    nodes.List: Templates._list,
    nodes.Tuple: Templates._list,
    nodes.Dict: Templates._dict,
    nodes.Concat: Templates._concat,
    nodes.CondExpr: Templates._choice,
    nodes.And: Templates._both,
    nodes.Or: Templates._both,
    nodes.Not: Templates._not,
    nodes.Neg: Templates._sign,
    nodes.Pos: Templates._sign,
    **dict.fromkeys(operators.ARITHMETIC, Templates._arithmetic),
    nodes.Compare: Templates._compare,
}
