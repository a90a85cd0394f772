-- What programs may do: sets of operations, named as in the API's description.
CREATE TABLE api_roles (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    -- Operation ids, separated by single spaces.
    operations  TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX api_roles_by_age ON api_roles (created_at, id);

-- A program that acts for a member of staff.
CREATE TABLE api_credentials (
    id                   TEXT PRIMARY KEY,
    staff_id             TEXT NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    description          TEXT NOT NULL,
    identifier           TEXT NOT NULL UNIQUE,
    secret_hash          BYTEA NOT NULL,
    -- The secret before a rotation, while both work.
    previous_secret_hash BYTEA,
    previous_until       BIGINT,
    -- How often it was rotated: of several rotations at once, one wins.
    rotations            BIGINT NOT NULL,
    -- Networks in CIDR notation, separated by single spaces; empty: from everywhere.
    networks             TEXT NOT NULL,
    -- Requests a minute; NULL: as many as it likes.
    rate_per_minute      BIGINT,
    expires_at           BIGINT,
    last_used_at         BIGINT,
    last_used_from       TEXT,
    created_at           BIGINT NOT NULL
);
CREATE INDEX api_credentials_by_age ON api_credentials (created_at, id);
CREATE INDEX api_credentials_of_staff ON api_credentials (staff_id, created_at, id);

CREATE TABLE api_credential_roles (
    credential_id TEXT NOT NULL REFERENCES api_credentials (id) ON DELETE CASCADE,
    api_role_id   TEXT NOT NULL REFERENCES api_roles (id) ON DELETE CASCADE,
    PRIMARY KEY (credential_id, api_role_id)
);
CREATE INDEX api_credentials_of_role ON api_credential_roles (api_role_id);

-- The credential by which somebody acted, if one did.
ALTER TABLE events ADD COLUMN actor_credential_id TEXT;
