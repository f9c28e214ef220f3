-- When a session alone set the password. NULL for a password that a proof set.
ALTER TABLE usher_users ADD COLUMN password_unproven_at INTEGER;
