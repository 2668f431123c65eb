"""One guarded HTTP session and its pure rules, for every connector that speaks HTTP."""
