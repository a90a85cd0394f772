-- Who is kept out. Addresses are text that sorts as addresses do: a digit for the family, then 32 hexadecimal digits.
CREATE TABLE bans (
    id            TEXT PRIMARY KEY,
    network       TEXT NOT NULL,
    first_address TEXT NOT NULL,
    last_address  TEXT NOT NULL,
    -- automatic: after failed logins of staff; refuses logins. manual: by somebody; refuses everything.
    kind          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    -- NULL: until it is lifted.
    expires_at    BIGINT,
    created_by    TEXT REFERENCES staff (id) ON DELETE SET NULL,
    UNIQUE (network, kind)
);
CREATE INDEX bans_by_age ON bans (created_at, id);
CREATE INDEX bans_by_range ON bans (first_address, last_address) WHERE kind = 'manual';
CREATE INDEX bans_by_end ON bans (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX bans_by_author ON bans (created_by);

-- Who is never banned by address.
CREATE TABLE trusted_addresses (
    id            TEXT PRIMARY KEY,
    network       TEXT NOT NULL UNIQUE,
    first_address TEXT NOT NULL,
    last_address  TEXT NOT NULL,
    note          TEXT,
    created_at    BIGINT NOT NULL
);
CREATE INDEX trusted_addresses_by_age ON trusted_addresses (created_at, id);
CREATE INDEX trusted_addresses_by_range ON trusted_addresses (first_address, last_address);

-- Counts the changes to manual bans and trusted addresses, so that each node sees with one look whether it knows them all.
-- Its one row is also the anchor that such changes lock first.
CREATE TABLE ban_changes (
    slot    BIGINT PRIMARY KEY,
    changes BIGINT NOT NULL
);
INSERT INTO ban_changes (slot, changes) VALUES (1, 0);

-- Failed logins of staff that came from one network, by what was guessed at. The row with an empty key is the anchor that
-- whoever counts locks first.
CREATE TABLE address_failures (
    network        TEXT NOT NULL,
    -- As in name_delays.
    key            TEXT NOT NULL,
    login_id       TEXT,
    step           TEXT NOT NULL,
    failures       BIGINT NOT NULL,
    last_failed_at BIGINT NOT NULL,
    PRIMARY KEY (network, key)
);
CREATE INDEX address_failures_by_age ON address_failures (last_failed_at);

-- Failed guesses at one name's password or one login's codes.
CREATE TABLE name_delays (
    -- A keyed hash: what people type into the field for the name may be their password.
    key            TEXT PRIMARY KEY,
    login_id       TEXT,
    step           TEXT NOT NULL,
    -- Counted apart from everybody else's: a network that the login has come from before. Else empty.
    network        TEXT NOT NULL,
    failures       BIGINT NOT NULL,
    last_failed_at BIGINT NOT NULL
);
CREATE INDEX name_delays_by_age ON name_delays (last_failed_at);
CREATE INDEX name_delays_of_login ON name_delays (login_id);

-- From where each login has come.
CREATE TABLE known_networks (
    login_id      TEXT NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    network       TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    PRIMARY KEY (login_id, network)
);
