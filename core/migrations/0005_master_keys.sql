-- While the master key is changed: slot 1 is the new key, sealed under the one before it, and slot 2 the one before.
-- Otherwise there is slot 1 alone, and nothing in `wrapped`.
ALTER TABLE master_key ADD COLUMN wrapped BYTEA;

-- Who serves right now, so that a changed master key is not made the only one before all of them have it.
CREATE TABLE nodes (
    id      TEXT PRIMARY KEY,
    -- For people: which machine, which data directory.
    name    TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    -- The newest master key that its file holds. NULL while it starts.
    key_id  TEXT,
    -- Why it cannot take up the key, if it cannot.
    trouble TEXT
);
