-- What somebody asked for who forgot their password. Looked up later, so that asking costs the same for every name.
CREATE TABLE reset_requests (
    id         TEXT PRIMARY KEY,
    audience   TEXT NOT NULL,
    -- What was typed; forgotten as soon as it was looked up.
    name       TEXT,
    address    TEXT,
    -- By what such requests are counted: the address, or its /64. NULL where it is a proxy's.
    network    TEXT,
    request_id TEXT,
    at         BIGINT NOT NULL
);
CREATE INDEX reset_requests_by_age ON reset_requests (at, id);
CREATE INDEX reset_requests_open ON reset_requests (at, id) WHERE name IS NOT NULL;
CREATE INDEX reset_requests_by_network ON reset_requests (network, at);

CREATE TABLE password_resets (
    id         TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    login_id   TEXT NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX password_resets_of_login ON password_resets (login_id);
