-- What the user reads: mails about the account are written in it, whoever causes them.
ALTER TABLE usher_users ADD COLUMN language TEXT NOT NULL DEFAULT '';
