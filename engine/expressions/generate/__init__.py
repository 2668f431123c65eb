"""Plans to Python source: one function for a whole batch, names entering only through ``repr``."""
