-- Whether the cookies of the session end with the browser.
ALTER TABLE usher_sessions ADD COLUMN ends_with_browser BOOLEAN NOT NULL DEFAULT false;
