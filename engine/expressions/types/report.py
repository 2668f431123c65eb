"""What is wrong in one text: which field is not there, which kinds do not go together; each said once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.errors import Path
from engine.expressions import remedy
from engine.expressions.types import naming
from engine.expressions.types.acts import solid, tells
from engine.expressions.types.model import ANY, Field, Type
from engine.expressions.types.words import describe
from engine.expressions.values import Issue

CLOSED = "no"

MAX_ISSUES = 51
"""Errors, and warnings, of one report; who has so many begins with the first."""
MORE = "there are more problems here than are shown"


class Report:
    """Gathers issues; *sure* False makes all of them warnings."""

    def __init__(self, sure: bool = True) -> None:
        self.sure = sure
        self.issues: list[Issue] = []
        self._said: set[tuple[object, ...]] = set()

    def full(self, severity: str, path: Path) -> bool:
        """Whether there are so many errors, or warnings, that one more would only take time; said once."""
        severity = severity if self.sure else "warning"
        same = sum(issue.severity == severity for issue in self.issues) if len(self.issues) >= MAX_ISSUES else 0
        if same == MAX_ISSUES:
            self.add(Issue("more-problems", MORE, "mend these first", path, None, severity))  # type: ignore[arg-type]
        return same >= MAX_ISSUES

    def add(self, issue: Issue) -> None:
        """Note an issue, once."""
        key = (issue.code, issue.path, issue.message)
        if key not in self._said:
            self._said.add(key)
            self.issues.append(issue if self.sure else replace(issue, severity="warning"))

    def at(self, path: Path, text: str, template: bool = False) -> Told:
        """Return what reports for one text."""
        return Told(self, path, text, template)


class Told:
    """Reports for the text of one node."""

    __slots__ = ("excused", "names", "path", "report", "template", "text")

    def __init__(self, report: Report, path: Path, text: str, template: bool) -> None:
        self.report = report
        self.path = path
        self.text = text
        self.template = template
        self.excused = False
        """Absence is provided for: a field that nobody speaks of may be one that comes sometimes."""
        self.names: Iterable[str] = ()
        """Fields the text itself asks after: ``a || b``, ``x is defined``."""

    def field(self, owner: Type, name: str, shown: str = "") -> Field | None:
        """Return the field of an object, None where nothing is known of it; says so when it cannot be there."""
        found = owner.fields.get(name)
        if found is not None:
            return found
        if owner.any or name.startswith("__"):
            return None
        if "object" not in owner.kinds:
            self._no_fields(owner, name, shown)
        elif owner.further == CLOSED:
            self.unknown(owner, name, shown, certain=True)
        elif owner.further == "unsaid" and tells(owner) and not self.excused and name not in self.asked():
            self.unknown(owner, name, shown, certain=False)
        return None

    def asked(self) -> Iterable[str]:
        """Return the names the text asks after; a subclass looks them up when first needed."""
        return self.names

    def unknown(self, owner: Type, name: str, shown: str, *, certain: bool) -> None:
        """Say that there is no such field."""
        severity = "error" if certain else "warning"
        if self.report.full(severity, self.path):
            return
        near, clear = naming.nearest(name, owner.fields)
        whole = shown or name
        if certain:
            known = f" in {owner.known_from}" if owner.known_from else ""
            message = f"there is no field '{name if owner.known_from == 'params' else whole}'{known}"
        else:
            known_from = owner.known_from or "what is known of the record"
            message = f"as far as is known, there is no field '{whole}' in {known_from}"
        if near:
            hint = f"did you mean '{near}'?"
        else:
            hint = f"there are {naming.listing(owner.fields)}" if owner.fields else ""
        fix = self._renamed(name, near) if near and clear else ""
        if name == "record" and not self.template and (plain := remedy.without(self.text, "record.")):
            hint, fix = f"write {plain}; only templates have record in front", remedy.written(plain)
        elif not self.template and self.text.count(f'"{name}"') == 1 and "'" not in name and self.text[:1] != '"':
            begin = self.text.index(f'"{name}"')
            hint = f"in double quotes it is a field; for the text write '{name}'"
            fix = remedy.replaced(self.text, begin, begin + len(name) + 2, f"'{name}'")
        offset = self._offset(name)
        self.report.add(Issue("unknown-field", message, hint, self.path, offset, severity, fix))  # type: ignore[arg-type]

    def _no_fields(self, owner: Type, name: str, shown: str) -> None:
        kinds = solid(owner)
        if not kinds or "other" in kinds:
            return
        what, above = describe(owner.without_null()), shown.rpartition(".")[0]
        if "list" in kinds and self.template:
            hint = f"take one element, such as [0].{name}, or go over them: | map(attribute='{name}')"
        elif "list" in kinds:
            hint = f"write [*].{name} for all elements, [0].{name} for the first"
        else:
            hint = ""
        subject = f"'{above}' is" if above else f"what '{name}' is looked up in is"
        self.mismatch(f"{subject} {what}, which has no fields", hint, name)

    def mismatch(self, message: str, hint: str, word: str = "", fix: str = "", warning: bool = False) -> None:
        """Say that kinds do not go together."""
        severity = "warning" if warning else "error"
        if self.report.full(severity, self.path):
            return
        offset = self._offset(word) if word else None
        self.report.add(Issue("type-mismatch", message, hint, self.path, offset, severity, fix))  # type: ignore[arg-type]

    def _offset(self, word: str) -> int | None:
        found = naming.spots(self.text, word, self.template)
        if found:
            return found[0][0]
        at = self.text.find(word)
        return at if at >= 0 else None

    def _renamed(self, old: str, new: str) -> str:
        if naming.raw(self.path):
            return remedy.written(new)
        made = naming.renamed(self.text, old, new, self.template)
        return remedy.written(made) if made else ""

    def replaced(self, old: str, new: str) -> str:
        """Return the text with one part replaced, as YAML; empty where it stands there twice."""
        if self.text.count(old) != 1:
            return ""
        return remedy.written(self.text.replace(old, new))


def taken(found: Field | None) -> Type:
    """Return the type of a field that is there."""
    return ANY if found is None else found.type
