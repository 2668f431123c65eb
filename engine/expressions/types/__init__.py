"""What values are, before any record is read: types, and how expressions change them.

The face, for ``engine.compiler.shapes``; import from the modules, nothing is imported here.

``model``
    ``Type``, ``Field``, ``ANY`` … A list's elements are the step ``"*"`` in paths of fields.

``of_schema``
    ``type_of_schema(schema, resolve=None, known_from="", *, root=None) -> Type``: JSON Schema, draft-07 and 2020-12,
    OpenAPI's ``nullable``. *resolve* takes the file part of a ``$ref`` (``money.json``; empty never) and gives that
    document, or None; *root* is the document of ``#/…`` where that is not *schema*. What cannot be resolved is
    ``ANY``. An object that says nothing of other fields is ``further="unsaid"``.
``of_values``
    ``type_of_values(values, known_from="") -> Type``: samples, rows, the records of tests; ``further="unsaid"``, no
    choices, no lengths; a field that not all have is ``always=False``.
    ``exactly(value) -> Type``: of one literal; closed, with ``choices`` and ``longest``.
``acts``
    ``union(a, b)``, ``unions(types)``, ``both(a, b)`` (what fits both), ``without_nulls(type)`` (``omit_null``),
    ``field_at(type, path) -> Field | None`` (``"*"`` goes into lists), ``put(type, path, field) -> Type``.
``words``
    ``describe(type) -> str`` ("text or null", "a list of objects"); ``as_schema(type) -> dict`` (draft-07).

``follow``
    ``Follower(record=ANY, settings=Settings(), names={}, *, sure=True)``: follows expressions over one record.
    *names*: what templates see besides ``record`` (``params``, ``trigger``, ``meta``, ``input``, ``records``,
    ``results`` …); a name that is not there is ``ANY``; ``records`` is a list of the record by itself.
    *sure* False: the record's type is a guess (samples, tests), and every issue a warning.

    - ``.record``, ``.made`` (path of a field → path of the mapping's node that makes it), ``.issues`` (shared by all
      followers made of this one, each mistake once), ``.names``.
    - ``.steps(steps, answers={}) -> tuple[After, ...]``: ``After(path, follower)``, one for each step, *path* that of
      its body. *answers*: by the path of a ``lookup``'s or ``call``'s body what goes into ``into`` (with ``all: true``
      the list; null for ``missing: null`` and absence for ``when`` are added here). Their ``when``, ``match``
      and ``key`` are followed; their options are for the caller, with ``.template`` of the follower before them.
    - ``.mapped(value, path) -> Follower``: what a target's mapping (or ``map``) makes of the record.
    - ``.value(value, path) -> Type``: any value of a mapping.
    - ``.holding(condition, path) -> Follower``: the records for which it holds (``filter``, ``when``, ``check.that``).
    - ``.key(value, path) -> Type``, ``.template(value, path) -> Type`` (texts at any depth),
      ``.expression(text, path, document) -> Type`` (an option that is JMESPath over another document).
    - ``.over(record, made={}, **names) -> Follower``: the same settings and issues, another record.
    - ``.place(field) -> Path | None``: the node of the mapping that makes a field; None: it comes from the source.

``fits``
    ``misfits(sent, wanted) -> Iterator[Misfit]``: what of *sent* does not go where *wanted* is.
    ``Misfit(path, code, message, hint, certain)``: *path* of the field, which for a missing one is not there;
    codes ``missing-required``, ``unknown-field``, ``type-mismatch``, ``null-possible``, ``too-long``, ``not-a-choice``.
    What is not *certain* is a warning: null, absence, one of several kinds, what is only known as far as somebody said.

Under a target: ``follower.mapped(mapping, path)`` then ``.key``, ``.template``; ``input`` is among the *names*.

Issues are ``engine.expressions.values.Issue``: ``unknown-field``, ``type-mismatch``; path of the node, offset in its
text, hint, fix (the whole text, or the name where the node is one). An error is certain: the object is closed
(``further="no"``), the kinds have nothing in common. Texts are parsed once for the check and this: trees are shared.
"""
