-- The activity log: whom an entry is about, what of it is personal, and its place in the chain.
ALTER TABLE events ADD COLUMN subject_id TEXT;
-- Personal data stands beside the chain under its hash, each part with a salt of its own. Erased, the hash stays, and
-- the entry that says who erased it is named.
ALTER TABLE events ADD COLUMN personal TEXT;
ALTER TABLE events ADD COLUMN personal_salt BYTEA;
ALTER TABLE events ADD COLUMN personal_hash BYTEA;
ALTER TABLE events ADD COLUMN personal_erasure_id TEXT;
ALTER TABLE events ADD COLUMN address_salt BYTEA;
ALTER TABLE events ADD COLUMN address_hash BYTEA;
ALTER TABLE events ADD COLUMN address_erasure_id TEXT;
-- By it the sealer knows that Frontdesk wrote the entry.
ALTER TABLE events ADD COLUMN mac BYTEA;
-- Both NULL until it is sealed.
ALTER TABLE events ADD COLUMN number BIGINT;
ALTER TABLE events ADD COLUMN link BYTEA;

-- Ids begin with the instant: whoever orders by them orders by time.
DROP INDEX events_by_age;
CREATE INDEX events_unsealed ON events (id) WHERE number IS NULL;
CREATE UNIQUE INDEX events_by_number ON events (number) WHERE number IS NOT NULL;
CREATE INDEX events_by_name ON events (name, id);
CREATE INDEX events_by_actor ON events (actor_id, id) WHERE actor_id IS NOT NULL;
CREATE INDEX events_by_account ON events (account_id, id) WHERE account_id IS NOT NULL;
CREATE INDEX events_by_subject ON events (subject_id, id) WHERE subject_id IS NOT NULL;
CREATE INDEX events_as_user ON events (as_user_id, id) WHERE as_user_id IS NOT NULL;
CREATE INDEX events_by_credential ON events (actor_credential_id, id) WHERE actor_credential_id IS NOT NULL;

-- What the log is signed with: an Ed25519 seed, sealed under the master key. One row.
CREATE TABLE activity_key (
    slot        TEXT PRIMARY KEY,
    sealed_seed BYTEA NOT NULL,
    public_key  BYTEA NOT NULL,
    created_at  BIGINT NOT NULL
);

-- How far the chain reaches. One row, which whoever seals must change.
CREATE TABLE activity_head (
    slot      BIGINT PRIMARY KEY,
    number    BIGINT NOT NULL,
    link      BYTEA NOT NULL,
    at        BIGINT NOT NULL,
    signature BYTEA NOT NULL
);

-- Heads that were kept: the ends of segments.
CREATE TABLE activity_heads (
    number    BIGINT PRIMARY KEY,
    link      BYTEA NOT NULL,
    at        BIGINT NOT NULL,
    signature BYTEA NOT NULL
);
CREATE INDEX activity_heads_by_age ON activity_heads (at);

-- What retention took away: everything up to and with that number.
CREATE TABLE activity_checkpoints (
    number    BIGINT PRIMARY KEY,
    link      BYTEA NOT NULL,
    at        BIGINT NOT NULL,
    signature BYTEA NOT NULL
);

-- What staff, users and accounts that were deleted were called, for whoever reads the log.
CREATE TABLE former_names (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL
);
