-- The keyed hash of the code in the email of a link. NULL if the email has none.
ALTER TABLE usher_one_time_tokens ADD COLUMN code_hash BLOB;
