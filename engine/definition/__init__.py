"""YAML text to a typed definition, with the place of every node and every problem at once."""
