"""The hub's GraphQL face: the typed schema, its resolvers over the store, and one execution of a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from tests.peers.hub_store import HubStore, Result

SCHEMA = build_schema(
    '''
    """Any JSON value."""
    scalar JSON

    input ImportUserInput {
      external_id: String!
      name: String!
      email: String!
      password_hash: String
      created_at: String
      metadata: JSON
    }

    input ImportBankInput {
      external_id: String!
      user_external_id: String!
      name: String!
      type: String
      is_active: Boolean
      created_at: String
      metadata: JSON
    }

    input ImportTransactionInput {
      external_id: String!
      bank_external_id: String!
      amount: Float!
      description: String
      category: String
      type: String
      transaction_date: String!
      created_at: String
      metadata: JSON
    }

    type ImportResult {
      success: Boolean!
      message: String
      internal_id: ID
      external_id: String!
    }

    type ImportBatchResult {
      successful: Int!
      failed: Int!
      total: Int!
      results: [ImportResult!]!
    }

    type Query {
      getImportHealth: JSON!
    }

    type Mutation {
      importUser(data: ImportUserInput!): ImportResult!
      importBank(data: ImportBankInput!): ImportResult!
      importTransactions(transactions: [ImportTransactionInput!]!): ImportBatchResult!
    }
    '''
)


Info = GraphQLResolveInfo[Any]


class Batch:
    """The answer to ``importTransactions``."""

    def __init__(self, results: list[Result]) -> None:
        self.results = results
        self.total = len(results)
        self.successful = sum(result.success for result in results)
        self.failed = self.total - self.successful


class Root:
    """The root resolvers: graphql-core calls the method with the field's name."""

    def __init__(self, store: HubStore) -> None:
        self.store = store

    def getImportHealth(self, info: Info) -> dict[str, Any]:
        return {"status": "ok", "rows": self.store.rows()}

    def importUser(self, info: Info, data: Mapping[str, Any]) -> Result:
        return self.store.write("users", [data])[0]

    def importBank(self, info: Info, data: Mapping[str, Any]) -> Result:
        return self.store.write("banks", [data])[0]

    def importTransactions(self, info: Info, transactions: list[Mapping[str, Any]]) -> Batch:
        return Batch(self.store.write("transactions", transactions))


class Refused(Exception):
    """The text of the request is not a query this schema knows; *body* is the answer."""

    def __init__(self, code: str, errors: list[GraphQLError]) -> None:
        super().__init__(code)
        self.body = {"errors": [_formatted(error, code) for error in errors]}


@lru_cache(maxsize=256)
def document(query: str) -> DocumentNode:
    """Parse and validate a query; repeated texts cost nothing. Raises Refused."""
    try:
        parsed = parse(query)
    except GraphQLError as error:
        raise Refused("GRAPHQL_PARSE_FAILED", [error]) from None
    problems = validate(SCHEMA, parsed)
    if problems:
        raise Refused("GRAPHQL_VALIDATION_FAILED", problems)
    return parsed


def root_field(parsed: DocumentNode) -> str:
    """Name the first field of the first operation, such as ``importTransactions``."""
    operation = next(node for node in parsed.definitions if isinstance(node, OperationDefinitionNode))
    field = next(node for node in operation.selection_set.selections if isinstance(node, FieldNode))
    return field.name.value


def answer(store: HubStore, parsed: DocumentNode, variables: Mapping[str, Any] | None) -> dict[str, Any]:
    """Execute and give the whole answer, ``data`` and ``errors``."""
    result = execute_sync(SCHEMA, parsed, Root(store), variable_values=dict(variables or {}))
    body: dict[str, Any] = {}
    if result.errors:
        # what does not fit the input types is the sender's mistake; the rest is the hub's
        code = "BAD_USER_INPUT" if result.data is None and all(not e.path for e in result.errors) else None
        body["errors"] = [_formatted(error, code or "INTERNAL_SERVER_ERROR") for error in result.errors]
    if result.data is not None or not result.errors:
        body["data"] = result.data
    return body


def _formatted(error: GraphQLError, code: str) -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": code}}
