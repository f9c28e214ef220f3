-- Times are microseconds since 1970 in UTC. Lists and maps are JSON texts.

CREATE TABLE usher_users (
    id                  TEXT PRIMARY KEY,
    login_ids           TEXT NOT NULL, -- as typed, in the order of usher_login_ids.position
    email               TEXT NOT NULL,
    email_verified      INTEGER NOT NULL,
    name                TEXT NOT NULL,
    given_name          TEXT NOT NULL,
    middle_name         TEXT NOT NULL,
    family_name         TEXT NOT NULL,
    phone               TEXT NOT NULL,
    picture             TEXT NOT NULL,
    roles               TEXT NOT NULL,
    permissions         TEXT NOT NULL,
    tenants             TEXT NOT NULL,
    attributes          TEXT NOT NULL,
    status              TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    password_hash       TEXT NOT NULL,
    password_state      TEXT NOT NULL,
    password_version    INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL,
    password_earlier    TEXT NOT NULL
) STRICT;

-- Whoever gets the row of a canonical login id has the login id.
CREATE TABLE usher_login_ids (
    canonical TEXT PRIMARY KEY,
    user_id   TEXT NOT NULL REFERENCES usher_users (id),
    position  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usher_login_ids_user ON usher_login_ids (user_id);

-- A session that ended has no row.
CREATE TABLE usher_sessions (
    id              TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL REFERENCES usher_users (id),
    kind            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    last_seen_at    INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    ends_at         INTEGER NOT NULL, -- the earlier of the two above
    amr             TEXT NOT NULL,
    user_agent      TEXT NOT NULL,
    address         TEXT NOT NULL,
    refresh_hash    BLOB NOT NULL,
    previous_hash   BLOB NOT NULL,
    rotated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX usher_sessions_user ON usher_sessions (user_id, created_at);
CREATE INDEX usher_sessions_end ON usher_sessions (ends_at);

-- Numbers are never given twice: readers remember how far they have read.
CREATE TABLE usher_revocations (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id    TEXT NOT NULL,
    revoked_until INTEGER NOT NULL
) STRICT;
CREATE INDEX usher_revocations_end ON usher_revocations (revoked_until);

CREATE TABLE usher_one_time_tokens (
    hash             BLOB PRIMARY KEY,
    user_id          TEXT NOT NULL REFERENCES usher_users (id),
    purpose          TEXT NOT NULL,
    email            TEXT NOT NULL,
    new_email        TEXT NOT NULL,
    password_version INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usher_one_time_tokens_user ON usher_one_time_tokens (user_id);
CREATE INDEX usher_one_time_tokens_end ON usher_one_time_tokens (expires_at);

CREATE TABLE usher_limits (
    name       TEXT PRIMARY KEY,
    hits       INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX usher_limits_end ON usher_limits (expires_at);

-- One row, once there are keys.
CREATE TABLE usher_signing_keys (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    sealed  TEXT NOT NULL
) STRICT;

CREATE TABLE usher_outbox (
    id         TEXT PRIMARY KEY,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    tries      INTEGER NOT NULL
) STRICT;
CREATE INDEX usher_outbox_due ON usher_outbox (not_before, created_at, id);

CREATE TABLE usher_events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL,
    at         INTEGER NOT NULL,
    name       TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    session_id TEXT NOT NULL,
    address    TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id TEXT NOT NULL,
    reason     TEXT NOT NULL
) STRICT;
CREATE INDEX usher_events_at ON usher_events (at, seq);
CREATE INDEX usher_events_user ON usher_events (user_id, at, seq);
CREATE INDEX usher_events_name ON usher_events (name, at, seq);
