"""What a change of the files comes to, as values."""

from engine.service.difference import Difference, difference, frozen, held


def test_pipelines_are_compared_by_name_and_fingerprint():
    old = {"a": "1", "b": "1", "c": "1", "d": "1"}
    new = {"d": "2", "e": "1", "a": "1", "b": "2"}
    assert difference(old, new) == Difference(added=("e",), changed=("b", "d"), removed=("c",))


def test_equal_pipelines_make_no_difference():
    assert difference({"a": "1"}, {"a": "1"}) == Difference()


STARTED = {
    "listen": {"address": "127.0.0.1", "port": 8080, "tls": None},
    "store": {"sqlite": {"path": "data/engine.db"}},
    "vars": {"region": "sul"},
    "clients": {"banban": {"api_keys": ["a"]}},
}


def with_(**changed):
    return {**STARTED, **changed}


def test_a_setting_that_needs_a_new_start_is_named_as_it_is_written():
    new = with_(listen={"address": "0.0.0.0", "port": 9090, "tls": None}, store={"sqlite": {"path": "other.db"}})
    assert frozen(STARTED, new) == ("listen.address", "listen.port", "store.sqlite.path")


def test_a_key_that_is_new_or_gone_is_named():
    assert frozen(STARTED, with_(admin={"port": 1}, listen={"address": "127.0.0.1", "port": 8080})) == ("admin",)
    assert frozen(STARTED, {"listen": STARTED["listen"]}) == ("store",)
    assert frozen(STARTED, with_(listen={**STARTED["listen"], "tls": {"cert": "a"}})) == ("listen.tls",)


def test_what_is_live_needs_no_new_start():
    """The control of what is frozen: everything else."""
    new = with_(vars={}, clients={}, egress={"private": "allow"}, files=["in"], calendars={"bank": {}}, defaults={})
    assert frozen(STARTED, new) == ()


def test_what_is_in_force_is_what_the_engine_started_with_and_what_is_live():
    new = with_(listen={"port": 1}, admin={"port": 2}, vars={"region": "norte"})
    assert held(STARTED, new) == {**STARTED, "vars": {"region": "norte"}}
