-- Lists of users: newest first, of one status or one role, and by the beginning of an
-- address or a name. Letters outside ASCII are not folded.
CREATE INDEX usher_users_created ON usher_users (created_at, id);
CREATE INDEX usher_users_status ON usher_users (status, created_at, id);
CREATE INDEX usher_users_email ON usher_users (lower(email), id);
CREATE INDEX usher_users_name ON usher_users (lower(name), id);

-- The roles of each user, from usher_users.roles. Triggers keep it, because the version
-- before this one does not know the table. A longer role is not in it.
CREATE TABLE usher_user_roles (
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL, -- of the user
    user_id    TEXT NOT NULL,
    PRIMARY KEY (role, created_at, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usher_user_roles_user ON usher_user_roles (user_id);

CREATE TRIGGER usher_copy_roles_insert AFTER INSERT ON usher_users BEGIN
    INSERT INTO usher_user_roles (role, created_at, user_id)
    SELECT DISTINCT value, NEW.created_at, NEW.id FROM json_each(NEW.roles) WHERE type = 'text' AND length(value) <= 200;
END;
CREATE TRIGGER usher_copy_roles_update AFTER UPDATE OF roles ON usher_users BEGIN
    DELETE FROM usher_user_roles WHERE user_id = NEW.id;
    INSERT INTO usher_user_roles (role, created_at, user_id)
    SELECT DISTINCT value, NEW.created_at, NEW.id FROM json_each(NEW.roles) WHERE type = 'text' AND length(value) <= 200;
END;
CREATE TRIGGER usher_copy_roles_delete AFTER DELETE ON usher_users BEGIN
    DELETE FROM usher_user_roles WHERE user_id = OLD.id;
END;

INSERT INTO usher_user_roles (role, created_at, user_id)
SELECT DISTINCT r.value, u.created_at, u.id FROM usher_users u, json_each(u.roles) r
WHERE r.type = 'text' AND length(r.value) <= 200;
