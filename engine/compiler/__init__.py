"""A definition becomes a pipeline: connectors found, expressions compiled, policies made."""
