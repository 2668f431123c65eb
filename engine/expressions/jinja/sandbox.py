"""The environment templates are compiled in: data only, keys before attributes, nothing that grows unbounded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from engine.errors import RecordError
from engine.expressions.convert import to_text
from engine.expressions.jinja import limits
from engine.expressions.jinja.code import Code
from engine.expressions.jinja.filters import filters_for
from engine.expressions.jinja.judging import tests
from engine.expressions.library import library
from engine.expressions.library.base import kind_of
from engine.expressions.values import Settings

METHODS: dict[type, frozenset[str]] = {
    str: frozenset({"upper", "lower", "strip", "lstrip", "rstrip", "startswith", "endswith", "split", "isdigit"}),
    dict: frozenset({"items", "keys", "values", "get"}),
}
LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"})


class Missing(StrictUndefined):
    """Something that is not there: it may be asked ``is defined`` or given a default, nothing else."""

    __slots__ = ()

    @property
    def place(self) -> str:
        """Which name or field it is."""
        return str(self._undefined_name)

    @property
    def _undefined_message(self) -> str:
        return self.place


class Names(Context):
    """What a template sees: the names it is given, then the functions of the library."""

    def resolve_or_missing(self, key: str) -> Any:
        """Look up a name."""
        if key in self.vars:
            return self.vars[key]
        if key in self.parent:
            return self.parent[key]
        return self.environment.globals.get(key, missing)


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one pipeline's templates."""

    code_generator_class = Code
    context_class = Names
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, settings: Settings) -> None:
        super().__init__(undefined=Missing, autoescape=False, optimized=False, cache_size=0, finalize=in_text)
        self.filters = dict[str, Any](filters_for(settings))
        self.tests = dict[str, Any](tests())
        self.globals = {name: _callable(name, settings) for name in library()}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate within limits."""
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            raise absent(left if isinstance(left, Undefined) else right)
        made = limits.calculate(operator, left, right)
        limits.weigh(made)
        return made

    def compare(self, sign: str, left: Any, right: Any) -> bool:
        """Compare within limits."""
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            raise absent(left if isinstance(left, Undefined) else right)
        limits.weigh(right)
        return limits.compare(sign, left, right)

    def join_parts(self, parts: tuple[Any, ...]) -> str:
        """Join the parts of ``a ~ b``."""
        made = limits.joined(tuple(in_text(part) for part in parts))
        limits.weigh(made)
        return made

    def field(self, obj: Any, name: str, place: str) -> Any:
        """Look up a key; data has no attributes."""
        kind = obj.__class__
        if kind is dict or isinstance(obj, Mapping):
            return obj[name] if name in obj else Missing(name=place)
        if kind is Missing:
            return obj
        if kind is LoopContext and name in LOOP:
            return getattr(obj, name)
        return Missing(name=place)

    def element(self, obj: Any, key: Any, place: str) -> Any:
        """Look up a key or an index; never an attribute."""
        if isinstance(obj, Missing):
            return obj
        try:
            if isinstance(obj, Mapping) or (obj.__class__ in (list, str, tuple) and key.__class__ is int):
                return obj[key]
        except (LookupError, TypeError):
            pass
        return Missing(name=place or str(key))

    def sliced(self, obj: Any, part: slice) -> Any:
        """Take a part of a list or a text."""
        if obj.__class__ not in (list, str):
            raise absent(obj) if isinstance(obj, Undefined) else RecordError("type", f"{kind_of(obj)} has no parts")
        limits.weigh(obj)
        try:
            return obj[part]
        except (TypeError, ValueError) as error:
            raise RecordError("type", f"a part is given by whole numbers: {error}") from None

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up a key: what Jinja's own parts ask for."""
        return self.field(obj, attribute, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a key or an index: what Jinja's own parts ask for."""
        return self.element(obj, argument, "")

    def call_method(self, obj: Any, name: str, *arguments: Any) -> Any:
        """Call one of the few methods texts and objects have."""
        kind = obj.__class__
        if isinstance(obj, Undefined):
            raise absent(obj)
        if name not in METHODS.get(kind, ()):
            raise RecordError("type", f"{kind_of(obj)} has no method {name}()")
        for value in (obj, *arguments):
            if isinstance(value, Undefined):
                raise absent(value)
            limits.weigh(value)
        made = getattr(obj, name)(*arguments)
        return (
            [list(item) if isinstance(item, tuple) else item for item in made]
            if kind is dict and name != "get"
            else made
        )

    def call_function(self, context: Context, function: Any, *arguments: Any) -> Any:
        """Call a function of the library."""
        if not getattr(function, "of_library", False):
            raise (
                absent(function)
                if isinstance(function, Undefined)
                else RecordError("type", "only functions are called")
            )
        for value in arguments:
            limits.weigh(value)
        return function(context.parent["_now"], *arguments) if function.needs_now else function(*arguments)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse: the generated code calls ``call_method`` and ``call_function``."""
        raise SecurityError("this cannot be called")


def _callable(name: str, settings: Settings) -> Any:
    function = library()[name]
    call = function.call

    def run(*arguments: Any) -> Any:
        for value in arguments:
            if isinstance(value, Undefined):
                raise absent(value)
        given = (settings, *arguments) if function.needs == "settings" else arguments
        return call(*given)

    run.of_library = True  # type: ignore[attr-defined]
    run.needs_now = function.needs == "now"  # type: ignore[attr-defined]
    return run


def absent(value: Any) -> RecordError:
    """Make the error for something that is not there."""
    return RecordError("missing-field", value.place if isinstance(value, Missing) else str(value._undefined_name))


def in_text(value: Any) -> str:
    """Write a value between other text; null, lists and objects do not go there."""
    kind = value.__class__
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is float:
        text = repr(value)
        if "e" not in text and "n" not in text:
            return text
    if isinstance(value, Undefined):
        raise absent(value)
    if kind is int or kind is float or kind is bool or kind is Decimal:
        return to_text(value)
    if value is None:
        raise RecordError("null-in-text", "null cannot stand in a text; give a default, such as {{ x | default('') }}")
    raise RecordError("type", f"{kind_of(value)} cannot stand in a text; write it as JSON with | tojson")


@lru_cache(maxsize=32)
def _sandbox(settings: Any) -> Sandbox:
    return Sandbox(settings.settings)


class _ByFacts:
    """Settings as a key: the folders may be a list."""

    __slots__ = ("facts", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.facts = (str(settings.timezone), str(settings.root), tuple(map(str, settings.roots)))

    def __hash__(self) -> int:
        return hash(self.facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByFacts) and self.facts == other.facts


def sandbox(settings: Settings) -> Sandbox:
    """Return the environment for templates of a pipeline with these settings."""
    return _sandbox(_ByFacts(settings))
