-- Time-based codes (RFC 6238).
CREATE TABLE totp (
    login_id    TEXT PRIMARY KEY REFERENCES logins (id) ON DELETE CASCADE,
    sealed_seed BYTEA NOT NULL,
    -- The time step of the last code that was taken: neither it nor an earlier one is taken again.
    last_step   BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);
-- Shown, and not confirmed by a first code yet.
CREATE TABLE totp_pending (
    login_id    TEXT PRIMARY KEY REFERENCES logins (id) ON DELETE CASCADE,
    sealed_seed BYTEA NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- Codes for whoever lost their device. One salt for the ten, so that one hash tells whether a code is among them.
CREATE TABLE recovery_sets (
    login_id   TEXT PRIMARY KEY REFERENCES logins (id) ON DELETE CASCADE,
    salt       BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE recovery_codes (
    login_id TEXT NOT NULL REFERENCES recovery_sets (login_id) ON DELETE CASCADE,
    hash     TEXT NOT NULL,
    used_at  BIGINT,
    PRIMARY KEY (login_id, hash)
);

-- WebAuthn credentials.
CREATE TABLE security_keys (
    id            TEXT PRIMARY KEY,
    login_id      TEXT NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    -- What the key calls the credential, base64url.
    credential_id TEXT NOT NULL UNIQUE,
    credential    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used_at  BIGINT
);
CREATE INDEX security_keys_of_login ON security_keys (login_id, created_at, id);
-- What a key was asked to sign, per session: one at a time, spent by the answer.
CREATE TABLE key_ceremonies (
    session_id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    purpose    TEXT NOT NULL,
    state      TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
