"""Databases: rows read by query or table, written by insert, upsert, update, delete and statements, or called."""

from __future__ import annotations

from connectors._sql.call import SqlCall
from connectors._sql.connection import SqlConnection
from connectors._sql.source import SqlSource
from connectors._sql.target import SqlTarget
from engine.connector import Connector

CONNECTOR = Connector(
    "sql",
    source=SqlSource,
    target=SqlTarget,
    connection=SqlConnection,
    call=SqlCall,
    batch=100,
    replaceable=True,
)
