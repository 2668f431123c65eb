"""Records shown on standard output, one a line: data for people and for the next command of a shell."""

from __future__ import annotations

import sys
from typing import TextIO

from engine.connector import BaseTarget, Connector, Context, Template
from engine.errors import Disconnected, RecordError
from engine.net.jsontext import NotJson, encode
from engine.record import TAKEN, Outgoing, Receipt


class ConsoleTarget(BaseTarget):
    """Prints each record as a line of JSON, or as the text a template makes of it."""

    stream: TextIO | None = None
    """Where to print; None is standard output as it is when printing."""

    def __init__(self, context: Context, *, text: Template | None = None) -> None:
        self.context = context
        self._text = text

    async def write(self, load: Outgoing) -> Receipt:
        """Print all of *load*; a record that cannot be shown is rejected."""
        lines: list[str] = []
        rejected: dict[int, str] = {}
        for index in range(len(load.records)):
            try:
                lines.append(self._line(load, index))
            except (RecordError, NotJson) as error:
                rejected[index] = str(error)
        stream = self.stream or sys.stdout
        try:
            stream.write("".join(f"{line}\n" for line in lines))
            stream.flush()
        except BrokenPipeError:
            raise Disconnected("standard output was closed by the command that read it") from None
        return Receipt(rejected=rejected) if rejected else TAKEN

    def _line(self, load: Outgoing, index: int) -> str:
        record = load.records[index]
        if self._text is None:
            return encode(record).decode("utf-8")
        names = {**self.context.names, "record": record, "input": load.inputs[index], "meta": load.metas[index]}
        made = self._text(names)
        return made if isinstance(made, str) else encode(made).decode("utf-8")


CONNECTOR = Connector("console", target=ConsoleTarget, batch=512)
