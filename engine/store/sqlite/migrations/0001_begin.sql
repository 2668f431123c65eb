-- Lanes of entries with one owner at a time; "expires" and "free_since" are seconds of the store's wall clock.
CREATE TABLE lanes (
  lane TEXT PRIMARY KEY,
  owner TEXT,
  token INTEGER NOT NULL DEFAULT 0,
  expires REAL NOT NULL DEFAULT 0,
  free_since REAL NOT NULL,
  restarts INTEGER NOT NULL DEFAULT 0,
  settled INTEGER NOT NULL DEFAULT 0,
  checkpoint TEXT,
  changed TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE state (
  lane TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (lane, name)
) WITHOUT ROWID;

-- The last settlements of each lane, in a ring, so that one repeated by mistake is known.
CREATE TABLE settlements (
  lane TEXT NOT NULL,
  slot INTEGER NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY (lane, slot)
) WITHOUT ROWID;
CREATE UNIQUE INDEX settlements_id ON settlements (id);

-- AUTOINCREMENT: a number is never given twice, also not after the last entry was removed.
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  lane TEXT NOT NULL,
  body TEXT NOT NULL,
  appended TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  scope TEXT,
  dedupe TEXT
);
CREATE INDEX entries_lane ON entries (lane, seq);

CREATE TABLE dedupe (
  scope TEXT NOT NULL,
  dedupe TEXT NOT NULL,
  entry INTEGER NOT NULL,
  done TEXT,
  PRIMARY KEY (scope, dedupe)
) WITHOUT ROWID;
CREATE INDEX dedupe_done ON dedupe (done) WHERE done IS NOT NULL;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  pipeline TEXT NOT NULL,
  status TEXT NOT NULL,
  "trigger" TEXT NOT NULL,
  params TEXT NOT NULL,
  revision TEXT NOT NULL,
  started TEXT NOT NULL,
  finished TEXT,
  summary TEXT NOT NULL,
  "group" TEXT,
  rerun_of TEXT,
  owner TEXT NOT NULL,
  changed TEXT NOT NULL
);
CREATE INDEX runs_pipeline ON runs (pipeline, seq);
CREATE INDEX runs_changed ON runs (changed);
CREATE INDEX runs_unfinished ON runs (status) WHERE status IN ('queued', 'running', 'cancelling');

CREATE TABLE dead (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  pipeline TEXT NOT NULL,
  run TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  "where" TEXT NOT NULL,
  record TEXT NOT NULL,
  entry TEXT NOT NULL,
  target TEXT,
  mapped TEXT,
  "key" TEXT,
  meta TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  identity TEXT,
  status TEXT NOT NULL,
  times INTEGER NOT NULL,
  first TEXT NOT NULL,
  last TEXT NOT NULL,
  changed TEXT NOT NULL
);
CREATE INDEX dead_pipeline ON dead (pipeline, status, seq);
CREATE INDEX dead_status ON dead (status, changed);
CREATE INDEX dead_run ON dead (run);
CREATE UNIQUE INDEX dead_identity ON dead (pipeline, identity) WHERE status = 'open' AND identity IS NOT NULL;

CREATE TABLE logs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run TEXT NOT NULL,
  time TEXT NOT NULL,
  level TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  changed TEXT NOT NULL
);
CREATE INDEX logs_run ON logs (run, seq);
CREATE INDEX logs_changed ON logs (changed);
