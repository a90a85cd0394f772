-- Whoever logs in has one row here, staff now and users later: what passwords, second factors, sessions and recovery
-- need to know of a person is the same for both. `staff` keeps what only staff have.
CREATE TABLE logins (
    id                    TEXT PRIMARY KEY,
    -- staff or user: separate logins, also for one person.
    audience              TEXT NOT NULL,
    -- Only staff have one.
    username              TEXT,
    username_folded       TEXT,
    email                 TEXT NOT NULL,
    email_folded          TEXT NOT NULL,
    email_verified        BOOLEAN NOT NULL,
    first_name            TEXT NOT NULL,
    last_name             TEXT NOT NULL,
    language              TEXT NOT NULL,
    -- NULL: none yet, so nobody gets in by password.
    password_hash         TEXT,
    password_changed_at   BIGINT NOT NULL,
    -- Shorter than a password may be that stands alone: allowed while there is a second factor.
    password_needs_factor BOOLEAN NOT NULL,
    must_change_password  BOOLEAN NOT NULL,
    disabled              BOOLEAN NOT NULL,
    last_login_at         BIGINT,
    created_at            BIGINT NOT NULL,
    UNIQUE (audience, username_folded),
    UNIQUE (audience, email_folded)
);
INSERT INTO logins (id, audience, username, username_folded, email, email_folded, email_verified, first_name, last_name,
        language, password_hash, password_changed_at, password_needs_factor, must_change_password, disabled,
        last_login_at, created_at)
    SELECT id, 'staff', username, username_folded, email, email_folded, TRUE, first_name, last_name,
        language, password_hash, created_at, FALSE, FALSE, disabled, last_login_at, created_at
    FROM staff;
CREATE INDEX logins_by_age ON logins (audience, created_at, id);

-- SQLite changes neither a column's constraints nor a table's references, so what refers to staff is made anew around it.
CREATE TABLE old_staff AS SELECT id, role_id FROM staff;
CREATE TABLE old_invitations AS SELECT * FROM invitations;
CREATE TABLE old_staff_invitations AS SELECT * FROM staff_invitations;
CREATE TABLE old_replaced_tokens AS SELECT * FROM replaced_invitation_tokens;
-- Everybody logs in again: sessions are cheap, and the new ones know more.
DROP TABLE sessions;
DROP TABLE replaced_invitation_tokens;
DROP TABLE staff_invitations;
DROP TABLE invitations;
DROP TABLE staff;

CREATE TABLE staff (
    id      TEXT PRIMARY KEY REFERENCES logins (id) ON DELETE CASCADE,
    role_id TEXT NOT NULL REFERENCES roles (id)
);
INSERT INTO staff (id, role_id) SELECT id, role_id FROM old_staff;
CREATE INDEX staff_by_role ON staff (role_id);

CREATE TABLE invitations (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    token_hash   BYTEA NOT NULL UNIQUE,
    -- NULL only for the first administrator, whom nobody knows yet.
    email        TEXT,
    language     TEXT NOT NULL,
    invited_by   TEXT REFERENCES staff (id) ON DELETE SET NULL,
    created_at   BIGINT NOT NULL,
    sent_at      BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    accepted_at  BIGINT,
    cancelled_at BIGINT
);
INSERT INTO invitations (id, kind, token_hash, email, language, invited_by, created_at, sent_at, expires_at, accepted_at,
        cancelled_at)
    SELECT id, kind, token_hash, email, language, invited_by, created_at, sent_at, expires_at, accepted_at, cancelled_at
    FROM old_invitations;
CREATE INDEX invitations_by_age ON invitations (kind, created_at, id);
CREATE INDEX invitations_open ON invitations (kind, created_at, id) WHERE accepted_at IS NULL AND cancelled_at IS NULL;
CREATE INDEX invitations_by_inviter ON invitations (invited_by);

CREATE TABLE staff_invitations (
    invitation_id TEXT PRIMARY KEY REFERENCES invitations (id) ON DELETE CASCADE,
    role_id       TEXT NOT NULL REFERENCES roles (id),
    username      TEXT,
    first_name    TEXT,
    last_name     TEXT,
    -- The member of staff who came of it.
    staff_id      TEXT REFERENCES staff (id) ON DELETE SET NULL
);
INSERT INTO staff_invitations (invitation_id, role_id, username, first_name, last_name, staff_id)
    SELECT invitation_id, role_id, username, first_name, last_name, staff_id FROM old_staff_invitations;
CREATE INDEX staff_invitations_by_role ON staff_invitations (role_id);
CREATE INDEX staff_invitations_by_staff ON staff_invitations (staff_id);

-- Links that a newer one took the place of: kept to tell "replaced" from "unknown".
CREATE TABLE replaced_invitation_tokens (
    token_hash    BYTEA PRIMARY KEY,
    invitation_id TEXT NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
    replaced_at   BIGINT NOT NULL
);
INSERT INTO replaced_invitation_tokens (token_hash, invitation_id, replaced_at)
    SELECT token_hash, invitation_id, replaced_at FROM old_replaced_tokens;
CREATE INDEX replaced_tokens_by_invitation ON replaced_invitation_tokens (invitation_id);

DROP TABLE old_staff;
DROP TABLE old_invitations;
DROP TABLE old_staff_invitations;
DROP TABLE old_replaced_tokens;

-- Sessions of both audiences, from the right password on.
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    token_hash   BYTEA NOT NULL UNIQUE,
    audience     TEXT NOT NULL,
    -- challenge: the password was right, the second factor is awaited. restricted: something must be done first. full.
    state        TEXT NOT NULL,
    -- What must be done first, separated by single spaces.
    pending      TEXT NOT NULL,
    login_id     TEXT NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    address      TEXT,
    client       TEXT
);
CREATE INDEX sessions_of_login ON sessions (login_id, last_seen_at, id);
CREATE INDEX sessions_by_use ON sessions (audience, last_seen_at, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- What administrators have set; what is not here has its default. Values are JSON.
CREATE TABLE settings (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

ALTER TABLE roles ADD COLUMN second_factor_required BOOLEAN NOT NULL DEFAULT FALSE;
