"""Where work, progress and what went wrong survive: one contract, two implementations."""
