"""In a URL path, what a record puts in stays one segment, whatever it holds."""

import pytest

from engine.expressions import Settings, compile_template


@pytest.mark.parametrize(
    ("text", "record", "expected"),
    [
        ("/orders/{{ record.id }}", {"id": "a/b?c#d"}, "/orders/a%2Fb%3Fc%23d"),
        ("/orders/{{ record.id }}/lines", {"id": 7}, "/orders/7/lines"),
        ("{{ record.id }}", {"id": "ação 1"}, "a%C3%A7%C3%A3o%201"),
        ("/x/{{ record.id | default('no/ne') }}", {}, "/x/no%2Fne"),
        ("/x/{{- ' }} ' ~ record.id }}", {"id": 1}, "/x/%20%7D%7D%201"),
        ("/{% if record.id %}a/{{ record.id }}{% endif %}", {"id": ".."}, "/a/.."),
        ("/plain/path", {}, "/plain/path"),
    ],
)
def test_values_are_encoded_and_what_the_author_wrote_is_not(text, record, expected):
    assert compile_template(text, ("path",), Settings(), encode=True)({"record": record}) == expected


def test_without_the_mark_a_value_may_add_a_segment():
    """The control: this is what the encoding is for."""
    assert compile_template("/{{ record.id }}", ("path",), Settings())({"record": {"id": "a/b"}}) == "/a/b"
