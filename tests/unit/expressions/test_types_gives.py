"""What expressions and fields give over a record whose type is known."""

import pytest

from engine.expressions.types.words import describe
from tests.unit.expressions.type_tools import follow

GIVES = {
    # plain paths
    "id": "a whole number",
    "amount": "a number or null",
    "note": "text or null",
    "customer.name": "text or null",
    "items": "a list of objects",
    "items[0].sku": "text",
    "items[0].cost": "a number or null",
    "unknown.anything[3].at": "anything",
    '"zip code"': "text",
    # JMESPath
    "items[*].sku": "a list of texts",
    "items[*].cost": "a list of numbers",
    "items[].sku": "a list of texts",
    "items[:2].qty": "a list of whole numbers",
    "items[?qty > `1`].sku": "a list of texts",
    "items[?qty > `1`].sku | [0]": "text or null",
    "items[0] | sku": "text or null",
    "note || 'none'": "text",
    "note || amount": "text or a number or null",
    "paid && name": "text or true or false",
    "kind == 'debit' && name || id": "text or a whole number",
    "!note": "true or false",
    "amount > `0`": "true or false or null",
    "id > `0`": "true or false",
    "id == amount": "true or false",
    "{a: id, b: name}": "an object",
    "[id, name]": "a list of whole numbers or texts",
    "*": "a list",
    "length(items)": "a whole number",
    "sum(items[*].qty)": "a number",
    "avg(items[*].qty)": "a number or null",
    "max(items[*].sku)": "text or null",
    "max_by(items, &qty).sku": "text or null",
    "sort_by(items, &qty)": "a list of objects",
    "map(&sku, items)": "a list of texts",
    "keys(customer)": "a list of texts",
    "values(customer)": "a list of texts",
    "merge(customer, {name: id}).name": "a whole number",
    "join(', ', tags)": "text",
    "to_array(name)": "a list of texts",
    "to_array(tags)": "a list of texts",
    "to_string(id)": "text",
    "to_string(amount)": "text or null",
    "to_number(name)": "a number or null",
    "not_null(note, name)": "text",
    "reverse(tags)": "a list of texts",
    "type(id)": "text",
    "abs(id)": "a whole number",
    "contains(tags, 'x')": "true or false",
    "upper(name)": "text",
    "split(name, ' ')": "a list of texts",
    "parse_number(name)": "a number",
    "extract(name, 'x')": "text or null",
    "lookup_table('a.csv', 'b', name)": "an object or null",
    "`[1, 2]`": "a list of whole numbers",
    "unknown.a || 'x'": "anything but null",
    "upper(unknown)": "text",
    # templates
    "{{ record.id }}": "a whole number",
    "{{ record.amount }}": "a number or null",
    "x {{ record.amount }}": "text",
    "{{ record.id + 1 }}": "a whole number",
    "{{ record.id / 2 }}": "a number",
    "{{ record.name + 'x' }}": "text",
    "{{ record.tags + record.tags }}": "a list of texts",
    "{{ record.name ~ record.id }}": "text",
    "{{ record['items'][0].sku }}": "text",
    "{{ record['items'] | length }}": "a whole number",
    "{{ record['items'] | first }}": "an object or null",
    "{{ record['items'] | map(attribute='sku') | list }}": "a list of texts",
    "{{ record['items'] | map(attribute='cost') }}": "a list of numbers",
    "{{ record['items'] | sum('qty') }}": "a number",
    "{{ record['items'] | selectattr('qty', 'gt', 1) | list }}": "a list of objects",
    "{{ record.tags | join(', ') }}": "text",
    "{{ record.note | default('x') }}": "text",
    "{{ record.note if record.note else 'x' }}": "text",
    "{{ record.note or 'x' }}": "text",
    "{{ record.amount if record.amount is not none else 0 }}": "a number",
    "{{ record.amount is none or record.amount > 3 }}": "true or false",
    "{{ record.paid and record.name }}": "text or true or false",
    "{{ record.kind == 'debit' and record.name or record.id }}": "text or a whole number",
    "{{ not record.paid }}": "true or false",
    "{{ record.name | upper | length }}": "a whole number",
    "{{ record.name.split(' ')[0] }}": "text",
    "{{ record.name | int(0) }}": "a whole number",
    "{{ record.tags[:2] }}": "a list of texts",
    "{{ [record.id, 2] }}": "a list of whole numbers",
    "{{ {'a': record.id} }}": "an object",
    "{{ record | tojson }}": "text",
    "{{ -record.amount }}": "a number",
    "{{ now() }}": "text",
    "{% set n = record.id %}{{ n }}": "text",
    "{{ records[0].id }}": "a whole number",
}


@pytest.mark.parametrize("text", GIVES)
def test_an_expression_gives(text):
    made, issues = follow(text)
    assert (describe(made), issues) == (GIVES[text], [])


FIELDS = [
    ({"$value": "id", "$type": "string"}, "text"),
    ({"$value": "amount", "$type": "string"}, "text or null"),
    ({"$value": "name", "$type": "integer"}, "a whole number"),
    ({"$value": "amount", "$type": "decimal"}, "a number or null"),
    ({"$value": "name", "$type": "boolean"}, "true or false"),
    ({"$value": "at", "$type": "datetime"}, "text"),
    ({"$value": "name", "$type": "json"}, "anything"),
    ({"$value": "id", "$format": "0.00"}, "text"),
    ({"$value": "amount", "$scale": 2}, "a number or null"),
    ({"$value": "note", "$default": "none"}, "text"),
    ({"$value": "note", "$default": 5}, "text or a whole number"),
    ({"$value": "note", "$default": None}, "text or null"),
    ({"$value": "amount", "$required": True}, "a number"),
    ({"$value": "note", "$required": False}, "text or null"),
    ({"$value": "unknown", "$type": "string"}, "text"),
    ({"$value": "unknown", "$default": 1}, "anything but null"),
    ({"$field": "zip code"}, "text"),
    ({"$const": [1, 2]}, "a list of whole numbers"),
    ({"$each": "items", "$map": "sku"}, "a list of texts"),
    ({"$each": "items", "$map": {"$copy": ["sku"], "n": "{{ item.qty * 2 }}"}}, "a list of objects"),
    ({"$each": "unknown", "$map": "sku"}, "a list"),
    ({"a": "id"}, "an object"),
    (["id", "name"], "a list of whole numbers or texts"),
    (True, "true or false"),
    (None, "null"),
]


@pytest.mark.parametrize(("value", "said"), FIELDS, ids=[str(value) for value, _ in FIELDS])
def test_a_field_gives(value, said):
    made, issues = follow(value)
    assert (describe(made), issues) == (said, [])
