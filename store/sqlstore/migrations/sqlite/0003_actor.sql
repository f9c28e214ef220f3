-- The operator who caused an event, or an empty text.
ALTER TABLE usher_events ADD COLUMN actor TEXT NOT NULL DEFAULT '';
