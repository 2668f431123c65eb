"""Writes ``docs/reference/``: what schemas, codes, functions, commands and figures say of themselves."""
