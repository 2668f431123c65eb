"""Steps over whole batches: what goes on, what is dropped, who is to blame, and that one bad record stops no other."""

import pytest

from engine.errors import RecordError
from engine.expressions import Invalid, Settings, compile_steps
from tests.unit.expressions.expression_tools import Step, apply, frame, steps_of


def stage_labels(*bodies):
    return [stage.label for stage in compile_steps(steps_of(*bodies), Settings())]


def test_neighbours_fuse_and_split_stands_alone():
    assert stage_labels({"filter": "a"}, {"map": {"a": "a"}}, {"split": "a"}, {"set": {"b": "a"}}) == [
        "steps[0].filter",
        "steps[2].split",
        "steps[3].set",
    ]


def test_nothing_dropped_gives_a_range():
    emission = apply(steps_of({"map": {"a": "a"}}), [{"a": 1}, {"a": 2}])
    assert emission.origin == range(2)
    assert emission.dropped == {}
    assert emission.metas is None


def test_drops_are_counted_by_filter_and_origin_ascends():
    steps = [Step("filter", "a > `1`", ("filters", 0)), Step("filter", "b", ("filters", 1))]
    emission = apply(steps, [{"a": n, "b": n % 2 == 0} for n in range(7)])
    assert emission.dropped == {"filters[0]": 2, "filters[1]": 2}
    assert list(emission.origin) == [2, 4, 6]
    assert [record["a"] for record in emission.records] == [2, 4, 6]


def test_culprits_are_found_and_the_others_go_on():
    steps = steps_of({"filter": "a != `3`"}, {"map": {"x": {"$value": "a", "$type": "integer"}, "y": "b"}})
    emission = apply(steps, [{"a": 1, "b": 1}, {"a": "x", "b": 1}, {"a": 3}, {"a": 4}, {"a": 5, "b": 5}])
    assert emission.records == [{"x": 1, "y": 1}, {"x": 5, "y": 5}]
    assert list(emission.origin) == [0, 4]
    assert emission.dropped == {"steps[0].filter": 1}
    assert {index: tuple(found) for index, found in emission.failed.items()} == {
        1: ("type", "'x' is not a whole number", "steps[1].map.x"),
        3: ("missing-field", "b", "steps[1].map.y"),
    }


def test_a_stage_never_raises_for_records_of_any_shape():
    steps = steps_of({"filter": "a == `1`"}, {"set": {"b": "a"}}, {"remove": ["a"]})
    emission = apply(steps, [None, 1, "x", [], {}, {"a": 1}])
    assert emission.records == [{"b": 1}]
    assert sum(emission.dropped.values()) == 5


def test_set_sees_the_record_as_it_came_and_leaves_the_input_alone():
    record = {"a": 1, "b": 2}
    emission = apply(steps_of({"set": {"a": "b", "b": "a", "c": "{{ record.a }}"}}), [record])
    assert emission.records == [{"a": 2, "b": 1, "c": 1}]
    assert record == {"a": 1, "b": 2}


def test_remove_takes_nested_fields_off_a_copy():
    record = {"a": {"b": 1, "c": 2}, "x": 1}
    emission = apply(steps_of({"remove": ["a.b", "x", "not.there"]}), [record])
    assert emission.records == [{"a": {"c": 2}}]
    assert record == {"a": {"b": 1, "c": 2}, "x": 1}


def test_check_rejects_with_the_authors_words():
    steps = steps_of(
        {"check": {"that": "qty > `0`", "code": "no-qty", "message": "order {{ record.id }} has no quantity"}}
    )
    emission = apply(steps, [{"id": 7, "qty": 0}, {"id": 8, "qty": 1}])
    assert tuple(emission.failed[0]) == ("no-qty", "order 7 has no quantity", "steps[0].check")
    assert emission.records == [{"id": 8, "qty": 1}]


def test_check_without_a_message_says_the_condition():
    emission = apply(steps_of({"check": {"that": "a"}}), [{"a": False}])
    assert tuple(emission.failed[0]) == ("check", "a does not hold", "steps[0].check")


def test_validate_names_the_place_in_the_record(tmp_path):
    (tmp_path / "order.json").write_text('{"type": "object", "properties": {"a": {"items": {"type": "integer"}}}}')
    settings = Settings(root=tmp_path)
    emission = apply(steps_of({"validate": {"schema": "order.json"}}), [{"a": [1, "x"]}, {"a": [1]}], settings)
    assert tuple(emission.failed[0]) == ("schema", 'a[1]: "x" is not of type "integer"', "steps[0].validate")
    assert emission.records == [{"a": [1]}]


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "none.json", "a\0b"])
def test_validate_reads_only_files_of_the_project(tmp_path, name):
    (tmp_path / "project").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    with pytest.raises(Invalid) as caught:
        compile_steps(steps_of({"validate": {"schema": name}}), Settings(root=tmp_path / "project"))
    assert caught.value.issues[0].code == "file"


def test_split_makes_one_record_an_element_with_its_parent():
    order = {"id": 1, "rows": [{"n": 1}, {"n": 2}]}
    emission = apply(steps_of({"split": "rows"}), [order, {"id": 2, "rows": []}, {"id": 3}, order])
    assert emission.records == [{"n": 1}, {"n": 2}, {"n": 1}, {"n": 2}]
    assert list(emission.origin) == [0, 0, 3, 3]
    assert emission.metas[0] == {"file": "in.csv", "parent": order}
    assert tuple(emission.failed[2]) == ("missing-field", "rows", "steps[0].split")


def test_split_refuses_what_is_no_list():
    emission = apply(steps_of({"split": "rows"}), [{"rows": {"a": 1}}])
    assert emission.failed[0].code == "type"


def test_meta_parent_is_seen_by_the_next_stage():
    first, second = compile_steps(steps_of({"split": "rows"}, {"set": {"of": "{{ meta.parent.id }}"}}), Settings())
    order = {"id": 9, "rows": [{"n": 1}]}
    made = first.apply([order], [{}], [order], frame())
    assert second.apply(made.records, made.metas, [order], frame()).records == [{"n": 1, "of": 9}]


SWITCH = {
    "switch": [
        {"when": "kind == 'a'", "steps": [{"set": {"x": {"$const": 1}}}, {"filter": "keep"}]},
        {"when": "kind == 'b'", "steps": [{"map": {"only": "kind"}}]},
        {"else": [{"set": {"x": {"$const": 3}}}]},
    ]
}


def test_switch_takes_the_first_case_that_holds():
    records = [{"kind": "a", "keep": True}, {"kind": "a", "keep": False}, {"kind": "b"}, {"kind": "c"}]
    emission = apply(steps_of(SWITCH, {"set": {"after": {"$const": True}}}), records)
    assert emission.records == [
        {"kind": "a", "keep": True, "x": 1, "after": True},
        {"only": "b", "after": True},
        {"kind": "c", "x": 3, "after": True},
    ]
    assert emission.dropped == {"steps[0].switch[0].steps[1].filter": 1}


def test_switch_without_else_lets_the_record_pass():
    emission = apply(steps_of({"switch": [{"when": "a", "steps": [{"map": {"x": "a"}}]}]}), [{"a": False}])
    assert emission.records == [{"a": False}]


def test_a_switch_with_split_inside_stands_alone():
    steps = steps_of({"switch": [{"when": "many", "steps": [{"split": "rows"}, {"filter": "n > `1`"}]}]})
    records = [{"many": True, "rows": [{"n": 1}, {"n": 2}, {"n": 3}]}, {"many": False}]
    emission = apply(steps, records)
    assert emission.records == [{"n": 2}, {"n": 3}, {"many": False}]
    assert list(emission.origin) == [0, 0, 1]
    assert sum(emission.dropped.values()) == 1


def test_a_bug_is_not_a_records_fault(monkeypatch):
    """What is none of a record's business is raised, not put down to the record."""
    (stage,) = compile_steps(steps_of({"map": {"a": "a"}}), Settings())

    def broken(*arguments):
        raise AssertionError("a bug")

    monkeypatch.setattr(stage, "_batch", broken)
    with pytest.raises(AssertionError):
        stage.apply([{}], [{}], [{}], frame())


def test_memory_and_order_hold_for_a_large_batch():
    emission = apply(steps_of({"filter": "n != `5000`"}, {"map": {"n": "n"}}), [{"n": n} for n in range(10_000)])
    assert len(emission.records) == 9_999
    assert emission.origin[5000] == 5001


def test_names_enter_the_code_only_as_data():
    """Field names and texts that look like Python stay names and texts."""
    evil = "'] + __import__('os').system('x') + ['\"\"\"\n{}\\"
    emission = apply(
        steps_of(
            {
                "map": {
                    evil: {"$field": evil},
                    "t": "{{ record['" + "a" + "'] }} " + "'''\"\"\"\\{}{{ '{' }}",
                    "c": {"$const": evil},
                }
            }
        ),
        [{evil: 1, "a": "b"}],
    )
    assert emission.records == [{evil: 1, "t": "b '''\"\"\"\\{}{", "c": evil}]


def test_errors_of_steps_carry_record_error_parts():
    error = RecordError("type", "text", "place")
    assert (error.code, error.message, error.where) == ("type", "text", "place")
