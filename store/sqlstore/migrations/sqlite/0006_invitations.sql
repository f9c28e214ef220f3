-- One open invitation for each address. The address may have no user.
CREATE TABLE usher_invitations (
    canonical   TEXT PRIMARY KEY,
    id          TEXT NOT NULL,
    email       TEXT NOT NULL,
    hash        BLOB NOT NULL,
    roles       TEXT NOT NULL,
    permissions TEXT NOT NULL,
    tenants     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX usher_invitations_hash ON usher_invitations (hash);
CREATE INDEX usher_invitations_end ON usher_invitations (expires_at);
