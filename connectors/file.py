"""Files of JSON lines, JSON or CSV, read and written inside the project."""

from __future__ import annotations

from connectors._file.source import FileSource
from connectors._file.target import FileTarget
from engine.connector import Connector

CONNECTOR = Connector("file", source=FileSource, target=FileTarget, batch=512)
