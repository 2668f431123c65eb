"""No expression escapes, runs long or makes much: the payloads of known attacks, each refused or harmless."""

import time

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import RecordError
from engine.expressions import ALL_NAMES, Invalid, Settings, check_value, compile_expression, compile_template, evaluate
from tests.unit.expressions.expression_tools import frame

SECONDS = 0.1
MIB = 1 << 20


class Trap:
    """Stands for an object of the host that must stay out of reach."""

    secret = "leaked"


RECORD = {
    "a": "abc",
    "n": 7,
    "list": [3, 1, 2],
    "dict": {"x": 1},
    "body": "{{ 7*7 }}",
    "crlf": "x\r\nSet-Cookie: y",
    "rows": list(range(2000)),
    "deep": {"a": {"b": {"c": 1}}},
}

ESCAPES = {
    "1 class chain": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "2 subscript": "{{ record['__class__'] }}{{ ''['__class__'] }}",
    "3 attr filter": "{{ ''|attr('__class__') }}",
    "4 self": "{{ self.__init__.__globals__ }}",
    "5 globals of helpers": "{{ cycler.__init__.__globals__ }}",
    "5b joiner": "{{ joiner.__init__.__globals__ }}",
    "5c namespace": "{{ namespace(a=1).__init__ }}",
    "6 lipsum": "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "7 format": "{{ '{0.__class__}'.format(record) }}",
    "8 attr format": "{{ ('{0.__class__}'|attr('format'))(record) }}",
    "9 format_map": "{{ '{x.__class__}'.format_map({'x': record}) }}",
    "10 stored format": "{% set f = '{0.__class__}'.format %}{{ f(record) }}",
    "10b map format": "{{ ['{0.__class__}'] | map('format', record) | list }}",
    "11 percent": "{{ '%s' % record }}",
    "11b format filter": "{{ '%s'|format(record) }}",
    "12 generator frame": "{{ (record.list | map('upper')).gi_frame.f_globals }}",
    "12b traceback": "{{ record.tb_frame }}",
    "13 function code": "{{ now.__code__ }}",
    "13b function self": "{{ record.get.__self__ }}",
    "13c filter function": "{{ upper.__globals__ }}",
    "14 config": "{{ config.items() }}",
    "14b request": "{{ request.application }}",
    "14c env": "{{ env }}{{ settings }}",
    "14d own name": "{{ _now }}",
    "15 include": "{% include '/etc/passwd' %}",
    "15b import": "{% import 'os' as os %}{{ os }}",
    "15c extends": "{% extends 'x' %}",
    "16 append": "{{ record.list.append(1) }}",
    "16b update": "{{ record.update({'a': 1}) }}",
    "16c pop": "{{ record.dict.pop('x') }}",
    "16d clear": "{{ record.clear() }}",
    "16e item assignment": "{% set record.a = 1 %}",
    "17 named template": "{% from '{{x}}' import y %}",
    "18 concatenated name": "{{ record['__cla' ~ 'ss__'] }}",
    "18b hex": "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "18c join": "{{ ''[['__', 'class', '__'] | join] }}",
    "macro": "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "call block": "{% call x() %}{% endcall %}",
    "block set": "{% set x %}a{% endset %}{{ x }}",
    "filter block": "{% filter upper %}a{% endfilter %}",
    "star arguments": "{{ upper(*[record.a]) }}",
    "debug": "{% debug %}",
    "do": "{% do record.list.append(1) %}",
    "loop object": "{% for x in record.list %}{{ loop.__class__ }}{% endfor %}",
    "loop cycle": "{% for x in record.list %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "map attribute": "{{ record.list | map(attribute='__class__') | list }}",
    "selectattr": "{{ record.list | selectattr('__class__') | list }}",
    "sort attribute": "{{ record.list | sort(attribute='__class__') }}",
    "undefined": "{{ record.nothing.__class__ }}",
    "undefined call": "{{ record.nothing() }}",
}


def run(text):
    """Compile and render; return the text of the value, or None where it was refused."""
    begin = time.thread_time()
    try:
        value = compile_template(text, (), Settings())({**names(), "_now": frame().now})
    except (Invalid, RecordError):
        value = None
    taken = time.thread_time() - begin
    return value, taken


def names():
    return {
        "record": RECORD,
        "input": RECORD,
        "params": {},
        "vars": {},
        "meta": {},
        "run": {},
        "trigger": {},
        "results": {},
    }


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_no_payload_reaches_the_host(text):
    before = repr(RECORD)
    value, taken = run(text)
    shown = "" if value is None else str(value)
    assert "class" not in shown
    assert "module" not in shown
    assert "function" not in shown
    assert "object at" not in shown
    assert value is None or isinstance(value, (str, int, float, list, dict, bool))
    assert repr(RECORD) == before
    assert taken < 1


@pytest.mark.parametrize(
    "text",
    ["{{ ''.__class__ }}", "{{ lipsum }}", "{{ range(3) }}", "{{ record|attr('x') }}", "{{ dict(a=1) }}", "{{ self }}"],
)
def test_what_has_no_place_here_is_an_issue_before_anything_runs(text):
    assert [issue.severity for issue in check_value(text, ("x",), ALL_NAMES)] == ["error"]


COSTLY = {
    "text times": "{{ 'a' * 1000000000 }}",
    "list times": "{{ [1] * 1000000000 }}",
    "tower": "{{ 9 ** (9 ** 8) }}",
    "power of float": "{{ 9.0 ** 9999 }}",
    "power of decimal": "{{ (record.n | decimal) ** 100000 }}",
    "big product": "{{ " + " * ".join(["99999999999999999999"] * 200) + " }}",
    "shift by product": "{% set a = 2 ** 900 %}{{ a * a * a * a * a * a }}",
    "range": "{% for a in range(99999999) %}{% endfor %}",
    "nested loops": "{% for a in record.rows %}" * 3 + "{% endfor %}" * 3,
    "loop with filters": "{% for a in record.rows %}" * 2 + "{{ record.a | upper | lower }}" + "{% endfor %}" * 2,
    "loop with json": "{% for a in record.rows %}{{ record | tojson }}{% endfor %}",
    "center": "{{ 'a'.center(1000000000) }}",
    "ljust": "{{ 'a'.ljust(1000000000) }}",
    "zfill": "{{ 'a'.zfill(1000000000) }}",
    "format width": "{{ '{:1000000000}'.format(1) }}",
    "percent width": "{{ '%1000000000d' % 1 }}",
    "pad": "{{ record.a | pad(1000000000) }}",
    "indent": "{{ record.a | indent(1000000000) }}",
    "wordwrap": "{{ record.a | wordwrap(1) }}",
    "batch": "{{ record.list | batch(100000000, 1) | list }}",
    "lipsum": "{{ lipsum(1000000) }}",
    "tojson indent": "{{ record.list | tojson(indent=1000000000) }}",
    "doubling text": "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "doubling plus": "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "doubling lists": "{% set a = [record] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "doubling list plus": "{% set a = [1] %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "replace": "{{ record.rows | tojson | replace(',', record.rows | tojson) | replace(',', record.rows | tojson) }}",
    "join": "{{ record.rows | join(record.rows | tojson) | length }}",
    "substitute": "{{ record.rows | tojson | substitute('', record.rows | tojson) }}",
    "regex": "{{ matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '(a+)+$') }}",
    "regex alternatives": "{{ matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab', '(a|a)*$') }}",
    "regex side by side": "{{ matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' , 'a*a*a*a*a*a*a*a*c') }}",
    "scientific": "{{ 1e308 * 10 }}",
    "huge decimal": "{{ ('1' ~ 'e' ~ '999') | decimal }}",
    "round": "{{ record.n | round(1000000000) }}",
    "power of ten": "{{ power_of_ten(1, 1000000000) }}",
    "format number": "{{ 1 | format_number('" + "0" * 3000 + "') }}",
    "unique": "{{ record.rows | unique | length }}",
    "strftime": "{{ '2026-01-01' | format_date('" + "%f" * 3000 + "') }}",
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY)
def test_no_template_runs_long_or_makes_much(text):
    run("{{ record.a | upper }}{% for x in record.list %}{% endfor %}")  # imports are not the template's cost
    value, taken = min((run(text) for _ in range(3)), key=lambda found: found[1])
    assert taken < SECONDS
    assert value is None or len(str(value)) <= MIB


def test_long_templates_and_deep_ones_are_refused():
    texts = [
        "{{ 1 }}" + "x" * 9000,
        "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
        "{{ " + "[" * 300 + "]" * 300 + " }}",
        "{{ " + "not " * 1500 + "1 }}",
        "{{ " + "-" * 3000 + "1 }}",
        "{{ " + "9" * 6000 + " }}",
        "{% if 1 %}" * 300 + "{% endif %}" * 300,
        "{{ a" + ".a" * 2000 + " }}",
    ]
    check_value("{{ record.a }}", ("x",), ALL_NAMES)  # what it loads is not what a text costs
    for text in texts:
        begin = time.thread_time()
        assert check_value(text, ("x",), ALL_NAMES), text[:40]
        assert time.thread_time() - begin < SECONDS


def test_data_is_never_a_template():
    assert run("{{ record.body }}")[0] == "{{ 7*7 }}"
    assert run("x {{ record.body }}")[0] == "x {{ 7*7 }}"
    assert run("{{ record.body | default('x') | trim }}")[0] == "{{ 7*7 }}"


def test_json_cannot_be_broken_out_of():
    quoted = compile_template('{"a": {{ record.a | tojson }}}', (), Settings())
    assert quoted({"record": {"a": '"}, {"b": 1'}}) == '{"a": "\\"}, {\\"b\\": 1"}'


def test_control_the_stock_sandbox_lets_costs_through():
    """Without the guards the same text is made: the protection is ours, not the package's."""
    stock = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    assert len(stock.from_string("{{ 'a' * 3000000 }}").render()) > MIB
    assert len(stock.from_string("{{ 'a'.center(3000000) }}").render()) > MIB


QUERIES = {
    "doubling lists": "[@,@]|" * 26 + "@",
    "doubling and flattening": "[@,@][][]|" * 24 + "length(@)",
    "doubling objects": "{a:@,b:@}|" * 26 + "@",
    "parentheses": "(" * 900 + "a" + ")" * 900,
    "brackets": "[" * 900 + "a" + "]" * 900,
    "nots": "!" * 2000 + "a",
    "dots": "a" + ".a" * 1000,
    "pipes": "a" + "|a" * 1000,
    "ors": "a" + "||a" * 600,
    "projections": "a" + "[*]" * 600,
    "filters": "a" + "[?a]" * 500,
    "escapes": "to_string(@)|" * 100 + "@",
    "nested escapes": "to_string([" * 30 + "@" + "])" * 30,
    "maps": "map(&[@,@]," * 20 + "@" + ")" * 20,
    "long": "a || " * 500 + "a",
    "join": "join(to_string(rows), map(&to_string(@), rows)) | length(@)",
    "many selects": "[" + ",".join(["@"] * 900) + "] | [" + ",".join(["@"] * 100) + "]",
    "huge literal": "`[" + "[" * 500 + "]" * 500 + "]`",
    "huge index": "a[99999999999999999999999999]",
    "huge number": "`1e400` == a",
}


@pytest.mark.parametrize("text", QUERIES.values(), ids=QUERIES)
def test_no_query_runs_long_or_makes_much(text):
    evaluate("a || upper(b || '')", Settings())({})
    begin = time.thread_time()
    try:
        value = compile_expression(text, (), Settings())(RECORD)
    except (Invalid, RecordError):
        value = None
    assert time.thread_time() - begin < SECONDS * 3
    assert value is None or len(repr(value)) <= 4 * MIB


def test_control_the_package_doubles():
    """The package evaluates what is refused here."""
    import jmespath

    text = "[@,@]|" * 14 + "@"
    assert len(repr(jmespath.search(text, 1))) > 50_000
    with pytest.raises(Invalid):
        compile_expression(text, (), Settings())


def test_host_objects_in_data_are_not_opened():
    made = compile_template("{{ record.trap.secret }}", (), Settings())
    with pytest.raises(RecordError):
        made({"record": {"trap": Trap()}, "_now": None})
