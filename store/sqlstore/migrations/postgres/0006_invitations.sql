-- One open invitation for each address. The address may have no user.
CREATE TABLE usher_invitations (
    canonical   TEXT COLLATE "C" PRIMARY KEY,
    id          TEXT COLLATE "C" NOT NULL,
    email       TEXT NOT NULL,
    hash        BYTEA NOT NULL,
    roles       TEXT NOT NULL,
    permissions TEXT NOT NULL,
    tenants     TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX usher_invitations_hash ON usher_invitations (hash);
CREATE INDEX usher_invitations_end ON usher_invitations (expires_at);
