-- Lists of users: newest first, of one status or one role, and by the beginning of an
-- address or a name. Letters outside ASCII are not folded, whatever the locale is.
CREATE INDEX usher_users_created ON usher_users (created_at, id);
CREATE INDEX usher_users_status ON usher_users (status, created_at, id);
CREATE INDEX usher_users_email ON usher_users (lower(email COLLATE "C"), id);
CREATE INDEX usher_users_name ON usher_users (lower(name COLLATE "C"), id);

-- The roles of each user, from usher_users.roles. Triggers keep it, because the version
-- before this one does not know the table. A longer role is not in it.
CREATE TABLE usher_user_roles (
    role       TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL, -- of the user
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES usher_users (id) ON DELETE CASCADE,
    PRIMARY KEY (role, created_at, user_id)
);
CREATE INDEX usher_user_roles_user ON usher_user_roles (user_id);

CREATE FUNCTION usher_copy_roles() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM usher_user_roles WHERE user_id = NEW.id;
    END IF;
    IF NEW.roles NOT IN ('null', '[]') THEN
        INSERT INTO usher_user_roles (role, created_at, user_id)
        SELECT DISTINCT r, NEW.created_at, NEW.id FROM json_array_elements_text(NEW.roles::json) r WHERE length(r) <= 200;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER usher_copy_roles AFTER INSERT OR UPDATE OF roles ON usher_users
    FOR EACH ROW EXECUTE FUNCTION usher_copy_roles();

INSERT INTO usher_user_roles (role, created_at, user_id)
SELECT DISTINCT r, u.created_at, u.id FROM usher_users u, json_array_elements_text(u.roles::json) r
WHERE u.roles NOT IN ('null', '[]') AND length(r) <= 200;
