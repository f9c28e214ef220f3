-- The refresh tokens of a session besides the two in refresh_hash and previous_hash, as
-- JSON. Empty if there are none.
ALTER TABLE usher_sessions ADD COLUMN refresh_others TEXT NOT NULL DEFAULT '';
