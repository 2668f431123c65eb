"""JMESPath and Jinja, compiled to Python; the function library; JSON Schema of records."""
