"""Forty misspellings and slips of type, put into a copy of the bank hub: each is found, at its line, with a remedy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.compiler.check import check
from engine.definition.loader import load
from engine.errors import Problem

ROOT = Path(__file__).resolve().parents[2]
USERS = "pipelines/bank-hub/users.yaml"
BANKS = "pipelines/bank-hub/banks.yaml"
TRANSACTIONS = "pipelines/bank-hub/transactions.yaml"
SYSTEMS = "connections/bank-hub.yaml"
TESTS = "pipelines/bank-hub/transactions.test.yaml"


class Slip(NamedTuple):
    """A mistake: *old* becomes *new*, and the line that holds *at* (else *new*) gets a problem."""

    file: str
    old: str
    new: str
    code: str
    hint: str
    at: str = ""

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{Path(self.file).stem}: {' '.join(self.new.split())[:60]}"


SLIPS = (
    # a field of the row that is not there
    Slip(USERS, "$copy: [name, email]", "$copy: [name, emial]", "unknown-field", "'email'"),
    Slip(USERS, "{$value: id, $type: string}", "{$value: idd, $type: string}", "unknown-field", "'id'"),
    Slip(USERS, "phone_number: phone_number", "phone_number: phone", "unknown-field", "'phone_number'"),
    Slip(BANKS, "{$value: user_id, $type", "{$value: userid, $type", "unknown-field", "'user_id'"),
    Slip(BANKS, "{$value: type, $default: BANCO}", "{$value: typ, $default: BANCO}", "unknown-field", "'type'"),
    Slip(BANKS, "code: institution_code", "code: institutioncode", "unknown-field", "'institution_code'"),
    Slip(TRANSACTIONS, "{$value: category,", "{$value: categoria,", "unknown-field", "'category'"),
    Slip(
        TRANSACTIONS,
        "{$value: currency, $default: BRL}",
        "\"{{ record.curency | default('BRL') }}\"",
        "unknown-field",
        "'currency'",
    ),
    Slip(TRANSACTIONS, "transaction_date ||", "transaction_dat ||", "unknown-field", "'transaction_date'"),
    # a column or table that the bank does not have
    Slip(USERS, "select id, name, email,", "select id, name, e_mail,", "unknown-field", "'email'"),
    Slip(USERS, "updated_at from users", "updated_at from user", "unknown-field", "'users'"),
    Slip(TRANSACTIONS, "where (updated_at", "where (update_at", "unknown-field", "'updated_at'"),
    Slip(BANKS, "fields: [updated_at, id]", "fields: [updated_on, id]", "cursor-not-selected", "select"),
    # a name that the hub does not take
    Slip(USERS, "  created_at: {$value", "  created: {$value", "unknown-field", "'created_at'"),
    Slip(USERS, "password_hash:", "passwordhash:", "unknown-field", "'password_hash'"),
    Slip(BANKS, "user_external_id: {", "user_external: {", "unknown-field", "'user_external_id'"),
    Slip(BANKS, "is_active: true", "isactive: true", "unknown-field", "'is_active'"),
    Slip(TRANSACTIONS, "  bank_external_id: {", "  bank_id: {", "unknown-field", "'bank_external_id'"),
    Slip(TRANSACTIONS, "  transaction_date: {", "  transaction_dat: {", "unknown-field", "'transaction_date'"),
    Slip(USERS, "$copy: [name, email]", "$copy: [email]", "missing-required", "add name", "mapping:"),
    # GraphQL that the hub does not know
    Slip(USERS, "message internal_id external_id", "message internalId external_id", "unknown-field", "'internal_id'"),
    Slip(USERS, "$data: ImportUserInput!", "$data: ImportUsersInput!", "unknown-field", "'ImportUserInput'"),
    Slip(USERS, "importUser(data: $data)", "importUser(user: $data)", "unknown-field", "data"),
    Slip(USERS, 'variables: {data: "', 'variables: {user: "', "unknown-field", "'data'"),
    Slip(USERS, "at: data.importUser,", "at: data.importUsers,", "unknown-field", "'importUser'"),
    Slip(BANKS, "match: external_id", "match: externalid", "unknown-field", "'external_id'"),
    Slip(TRANSACTIONS, "{ success message", "{ sucess message", "unknown-field", "'success'"),
    Slip(TRANSACTIONS, 'failed: "!success"', 'failed: "!ok"', "unknown-field", "success"),
    # inputs of runs, keys
    Slip(BANKS, "{{ trigger.params.full }}", "{{ trigger.params.fully }}", "unknown-field", "'full'"),
    Slip(USERS, 'reset: "{{ params.full }}"', 'reset: "{{ params.ful }}"', "unknown-field", "'full'"),
    Slip(USERS, "  key: external_id ", "  key: id ", "unknown-field", "external_id"),
    # the wrong kind of value
    Slip(USERS, "external_id: {$value: id, $type: string}", "external_id: id", "type-mismatch", "$type: string"),
    Slip(BANKS, "is_active: true", 'is_active: {$const: "yes"}', "type-mismatch", "boolean"),
    Slip(BANKS, "mapping:\n", 'filters: ["type > `3`"]\nmapping:\n', "type-mismatch", "'3'", "filters:"),
    Slip(BANKS, "mapping:\n", "filters: [\"user_id == '7'\"]\nmapping:\n", "type-mismatch", "", "filters:"),
    Slip(TRANSACTIONS, "$type: decimal, $default: 0}", '$type: string, $default: "0"}', "type-mismatch", "decimal"),
    Slip(TRANSACTIONS, "[ImportTransactionInput!]!", "ImportTransactionInput!", "type-mismatch", "", "variables:"),
    # null where none is taken
    Slip(TRANSACTIONS, "{$value: amount, $type: decimal, $default: 0}", "amount", "null-possible", "$default"),
    Slip(TRANSACTIONS, " || created_at || updated_at", " || created_at", "null-possible", "$default"),
    # files that say shapes, and the tests
    Slip(SYSTEMS, "bank-hub/bank.sql", "bank-hub/banks.sql", "file", "'bank.sql'"),
    Slip(TRANSACTIONS, "bank-hub/hub.json", "bank-hub/hub.jsn", "file", "'hub.json'"),
    Slip(TESTS, "12.5, description: padaria", "12.5, descripton: padaria", "unknown-field", "'description'"),
    Slip(TESTS, 'bank_external_id: "3"', "bank_external_id: 3", "type-mismatch", ""),
    Slip(TESTS, "          category: ALIMENTACAO", "          categoria: ALIMENTACAO", "unknown-field", "'category'"),
)  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """Copy the bank hub."""
    for folder in ("pipelines/bank-hub", "connections"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def problems(folder: Path) -> list[Problem]:
    """Say what ``engine validate`` says."""
    project, found = load(folder, environ={})
    return sorted({*found, *check(project)})


def test_the_original_has_none(hub: Path) -> None:
    """No false alarm."""
    assert problems(hub) == []


def test_they_are_forty() -> None:
    """And all of them are different."""
    assert len({(one.file, one.old, one.new) for one in SLIPS}) == len(SLIPS) >= 40


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_each_is_found(hub: Path, slip: Slip) -> None:
    """At its own file and line, under its code, with what to do."""
    path = hub / slip.file
    text = path.read_text("utf-8")
    assert slip.old in text
    changed = text.replace(slip.old, slip.new, 1)
    path.write_text(changed, "utf-8")
    start = changed.index(slip.at) if slip.at else text.index(slip.old)
    line = changed.count("\n", 0, start) + 1
    found = problems(hub)
    here = [one for one in found if (one.file, one.line, one.code) == (slip.file, line, slip.code)]
    assert here, f"line {line}: {slip.code}, but: {[str(one) for one in found]}"
    assert any(slip.hint in f"{one.message} {one.hint}" for one in here), [str(one) for one in here]
    if slip.code not in _WITH_OTHERS and slip.new not in _WITH_OTHERS:
        assert len(found) == 1, [str(one) for one in found]


_WITH_OTHERS = ("cursor-not-selected", 'reset: "{{ params.ful }}"')
"""What older checks say more than once: of the cursor's order and bind, and of the param that nothing reads now."""
