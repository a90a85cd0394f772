-- One text for SQLite and PostgreSQL: TEXT, BIGINT (milliseconds since the Unix epoch for instants), BOOLEAN, BYTEA.

-- The check value of the master key that sealed what this database holds. One row, so that nodes agree.
CREATE TABLE master_key (
    slot        BIGINT PRIMARY KEY,
    key_id      TEXT NOT NULL,
    check_value BYTEA NOT NULL
);

CREATE TABLE roles (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    -- Has every permission, those of later versions included.
    everything  BOOLEAN NOT NULL,
    -- Slugs separated by single spaces.
    permissions TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);
INSERT INTO roles (id, name, name_folded, everything, permissions, created_at) VALUES
    ('00000000-0000-7000-8000-000000000001', 'Full Administrator', 'full administrator', TRUE, '', 0),
    ('00000000-0000-7000-8000-000000000002', 'No Permissions', 'no permissions', FALSE, '', 0);

CREATE TABLE staff (
    id              TEXT PRIMARY KEY,
    username        TEXT NOT NULL,
    username_folded TEXT NOT NULL UNIQUE,
    email           TEXT NOT NULL,
    email_folded    TEXT NOT NULL UNIQUE,
    first_name      TEXT NOT NULL,
    last_name       TEXT NOT NULL,
    role_id         TEXT NOT NULL REFERENCES roles (id),
    language        TEXT NOT NULL,
    password_hash   TEXT NOT NULL,
    disabled        BOOLEAN NOT NULL,
    last_login_at   BIGINT,
    created_at      BIGINT NOT NULL
);
CREATE INDEX staff_by_age ON staff (created_at, id);
CREATE INDEX staff_by_role ON staff (role_id);

CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    token_hash   BYTEA NOT NULL UNIQUE,
    audience     TEXT NOT NULL,
    state        TEXT NOT NULL,
    staff_id     TEXT REFERENCES staff (id) ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    address      TEXT,
    client       TEXT
);
CREATE INDEX sessions_of_staff ON sessions (staff_id, last_seen_at, id);
CREATE INDEX sessions_by_use ON sessions (audience, last_seen_at, id);
CREATE INDEX sessions_by_end ON sessions (audience, expires_at);

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
CREATE INDEX staff_invitations_by_role ON staff_invitations (role_id);
CREATE INDEX staff_invitations_by_staff ON staff_invitations (staff_id);

-- Links that a newer one took the place of: kept to tell "replaced" from "unknown".
CREATE TABLE replaced_invitation_tokens (
    token_hash    BYTEA PRIMARY KEY,
    invitation_id TEXT NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
    replaced_at   BIGINT NOT NULL
);
CREATE INDEX replaced_tokens_by_invitation ON replaced_invitation_tokens (invitation_id);

-- What happened. Each row is an entry of the activity log as well.
CREATE TABLE events (
    id         TEXT PRIMARY KEY,
    at         BIGINT NOT NULL,
    name       TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT,
    address    TEXT,
    request_id TEXT,
    data       TEXT NOT NULL
);
CREATE INDEX events_by_age ON events (at, id);

-- Who is to be told. Written in the transaction of the event it belongs to.
CREATE TABLE deliveries (
    id                TEXT PRIMARY KEY,
    event_id          TEXT NOT NULL REFERENCES events (id),
    -- Which of the mails that Frontdesk itself sends, about what, and to whom.
    mail              TEXT,
    subject_id        TEXT,
    recipient_name    TEXT,
    recipient_address TEXT,
    language          TEXT,
    data              TEXT NOT NULL,
    -- The one-time token that the mail must carry, sealed; wiped at hand-over.
    sealed_token      BYTEA,
    useful_until      BIGINT NOT NULL,
    state             TEXT NOT NULL,
    reason            TEXT,
    provider_id       TEXT,
    attempts          BIGINT NOT NULL,
    -- While somebody holds the delivery, the end of their lease.
    next_attempt_at   BIGINT NOT NULL,
    held_by           TEXT,
    -- Whoever holds a delivery holds it under this number; an outcome under an older one is void.
    fence             BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    finished_at       BIGINT
);
CREATE INDEX deliveries_due ON deliveries (next_attempt_at, id) WHERE state = 'waiting';
CREATE INDEX deliveries_of_subject ON deliveries (subject_id) WHERE state = 'waiting';
CREATE INDEX deliveries_held ON deliveries (held_by) WHERE held_by IS NOT NULL;
CREATE INDEX deliveries_of_event ON deliveries (event_id);

CREATE TABLE delivery_attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    attempt     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    took_ms     BIGINT NOT NULL,
    outcome     TEXT NOT NULL,
    message     TEXT NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
);
