"""Where the types of records are known from, and what targets take; all offline."""
