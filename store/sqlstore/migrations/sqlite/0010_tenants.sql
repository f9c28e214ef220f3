-- The tenant that the user has selected in the session, or an empty text.
ALTER TABLE usher_sessions ADD COLUMN tenant TEXT NOT NULL DEFAULT '';

-- The password settings of operators: one row, once there are any.
CREATE TABLE usher_password_settings (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    version  INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;

-- The sign-ins of a user, newest first.
CREATE INDEX usher_events_sign_ins ON usher_events (user_id, at, seq) WHERE name = 'session_created';
