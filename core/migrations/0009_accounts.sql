-- The client side: users, who log in, and the accounts they act for. They meet many to many.

-- What users can be asked who forgot their password. One that somebody has answered stays.
CREATE TABLE security_questions (
    id         TEXT PRIMARY KEY,
    question   TEXT NOT NULL,
    folded     TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX security_questions_by_age ON security_questions (created_at, id);

-- What only users have beyond a login.
CREATE TABLE users (
    id          TEXT PRIMARY KEY REFERENCES logins (id) ON DELETE CASCADE,
    -- Both or neither.
    question_id TEXT REFERENCES security_questions (id),
    answer_hash TEXT
);
CREATE INDEX users_by_question ON users (question_id);
INSERT INTO users (id) SELECT id FROM logins WHERE audience = 'user';

CREATE TABLE account_groups (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    -- For front ends: #rrggbb.
    colour      TEXT,
    created_at  BIGINT NOT NULL
);
CREATE INDEX account_groups_by_age ON account_groups (created_at, id);

CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    -- Exactly one, always on the account.
    owner_id   TEXT NOT NULL REFERENCES users (id),
    -- company, person
    kind       TEXT NOT NULL,
    -- The company's or the person's, as invoices show it.
    name       TEXT NOT NULL,
    -- Who to speak to.
    first_name TEXT NOT NULL,
    last_name  TEXT NOT NULL,
    email      TEXT NOT NULL,
    phone      TEXT NOT NULL,
    line1      TEXT NOT NULL,
    line2      TEXT NOT NULL,
    city       TEXT NOT NULL,
    region     TEXT NOT NULL,
    postcode   TEXT NOT NULL,
    -- ISO 3166-1 alpha-2; empty: unknown.
    country    TEXT NOT NULL,
    tax_id     TEXT NOT NULL,
    -- ISO 4217.
    currency   TEXT NOT NULL,
    group_id   TEXT REFERENCES account_groups (id) ON DELETE SET NULL,
    -- For staff only.
    notes      TEXT NOT NULL,
    -- active, inactive, closed
    status     TEXT NOT NULL,
    -- Names, address of mail, tax id and phone, folded: what a search looks through.
    search     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX accounts_by_age ON accounts (created_at, id);
CREATE INDEX accounts_by_status ON accounts (status, created_at, id);
CREATE INDEX accounts_by_group ON accounts (group_id, created_at, id);
CREATE INDEX accounts_by_owner ON accounts (owner_id);

-- Who may act for which account, and what they may do there. The owner's row says everything.
CREATE TABLE account_users (
    account_id  TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user_id     TEXT NOT NULL REFERENCES users (id),
    -- Every permission, those of later versions included.
    everything  BOOLEAN NOT NULL,
    -- Slugs separated by single spaces.
    permissions TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX accounts_of_user ON account_users (user_id, created_at, account_id);

-- What admins want to know of accounts beyond that.
CREATE TABLE custom_fields (
    id          TEXT PRIMARY KEY,
    -- What the API calls it.
    slug        TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    -- text, number, select, tick, date
    kind        TEXT NOT NULL,
    -- What a select offers, a JSON list of text.
    options     TEXT NOT NULL,
    required    BOOLEAN NOT NULL,
    -- Neither shown to users nor asked of them.
    staff_only  BOOLEAN NOT NULL,
    position    BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX custom_fields_in_order ON custom_fields (position, id);
-- Custom fields, their order and what accounts have in them change one at a time: whoever changes them holds this row.
CREATE TABLE custom_field_lock (slot BIGINT PRIMARY KEY);
INSERT INTO custom_field_lock (slot) VALUES (1);
CREATE TABLE custom_field_values (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    field_id   TEXT NOT NULL REFERENCES custom_fields (id) ON DELETE CASCADE,
    -- As JSON: text, number, or true.
    value      TEXT NOT NULL,
    PRIMARY KEY (account_id, field_id)
);
CREATE INDEX custom_field_values_of_field ON custom_field_values (field_id);

-- People of an account who do not log in.
CREATE TABLE contacts (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    first_name   TEXT NOT NULL,
    last_name    TEXT NOT NULL,
    company_name TEXT NOT NULL,
    email        TEXT NOT NULL,
    email_folded TEXT NOT NULL,
    phone        TEXT NOT NULL,
    -- Which mails they get: general, invoice, support, product, domain, affiliate, separated by single spaces.
    emails       TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);
CREATE INDEX contacts_of_account ON contacts (account_id, created_at, id);
CREATE INDEX contacts_by_email ON contacts (email_folded);

-- What an invitation to an account is about. Whoever invited is staff (invitations.invited_by) or the owner.
CREATE TABLE account_invitations (
    invitation_id    TEXT PRIMARY KEY REFERENCES invitations (id) ON DELETE CASCADE,
    account_id       TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    everything       BOOLEAN NOT NULL,
    permissions      TEXT NOT NULL,
    email_folded     TEXT NOT NULL,
    invited_by_user  TEXT REFERENCES users (id) ON DELETE SET NULL,
    -- Who came of it.
    user_id          TEXT REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX account_invitations_of_account ON account_invitations (account_id);
CREATE INDEX account_invitations_by_user ON account_invitations (user_id);
CREATE INDEX account_invitations_by_inviter ON account_invitations (invited_by_user);

-- The link by which a user proves whose an address is. One per user; it proves the address it was sent to and no other.
CREATE TABLE email_verifications (
    login_id     TEXT PRIMARY KEY REFERENCES logins (id) ON DELETE CASCADE,
    id           TEXT NOT NULL,
    token_hash   BYTEA NOT NULL UNIQUE,
    email_folded TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);

-- A link that was not mailed proves nobody's address. One to choose the first password lives longer than others.
ALTER TABLE password_resets ADD COLUMN mailed BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE password_resets ADD COLUMN wrong_answers BIGINT NOT NULL DEFAULT 0;

-- How often something was done since when, by whom it is counted for.
CREATE TABLE rates (
    key   TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    count BIGINT NOT NULL
);
CREATE INDEX rates_by_age ON rates (since);

-- The account that a user's session acts for, and whose eyes it was opened with: a login-as ends with the admin's session.
ALTER TABLE sessions ADD COLUMN account_id TEXT REFERENCES accounts (id) ON DELETE SET NULL;
ALTER TABLE sessions ADD COLUMN opened_by TEXT REFERENCES sessions (id) ON DELETE CASCADE;
CREATE INDEX sessions_of_account ON sessions (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX sessions_opened_by ON sessions (opened_by) WHERE opened_by IS NOT NULL;

-- Links by which an admin comes in as a user: good once and for a minute.
CREATE TABLE login_as_links (
    id         TEXT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    opened_by  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX login_as_links_of_session ON login_as_links (opened_by);
CREATE INDEX login_as_links_of_account ON login_as_links (account_id);
CREATE INDEX login_as_links_of_user ON login_as_links (user_id);

-- On which account something was done, and as which user by an admin.
ALTER TABLE events ADD COLUMN account_id TEXT;
ALTER TABLE events ADD COLUMN as_user_id TEXT;

-- Texts that admins put in the place of ours.
CREATE TABLE mail_templates (
    mail       TEXT NOT NULL,
    language   TEXT NOT NULL,
    subject    TEXT NOT NULL,
    text       TEXT NOT NULL,
    html       TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (mail, language)
);

UPDATE roles SET permissions = 'staff.view departments.view users.view users.edit accounts.view accounts.edit accounts.users report:accounts'
    WHERE id = '00000000-0000-7000-8000-000000000003' AND permissions = 'staff.view departments.view report:accounts';
UPDATE roles SET permissions = 'staff.view departments.view users.view accounts.view report:tickets'
    WHERE id = '00000000-0000-7000-8000-000000000004' AND permissions = 'staff.view departments.view report:tickets';
