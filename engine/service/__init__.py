"""A process that stays: time, callers and people start work, and what was accepted is worked until it is delivered."""
