-- What staff have beyond a login.
ALTER TABLE staff ADD COLUMN signature TEXT NOT NULL DEFAULT '';
ALTER TABLE staff ADD COLUMN notes TEXT NOT NULL DEFAULT '';
-- A name that the front end knows.
ALTER TABLE staff ADD COLUMN template TEXT;
ALTER TABLE staff ADD COLUMN records_per_page BIGINT;

-- Username, address and names, folded: what a search looks through.
ALTER TABLE logins ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE logins SET search = COALESCE(username_folded, '') || ' ' || email_folded || ' ' || LOWER(first_name || ' ' || last_name);
-- The two states of a list, each in its order.
CREATE INDEX logins_by_state ON logins (audience, disabled, created_at, id);

-- system, account, support, separated by single spaces.
ALTER TABLE roles ADD COLUMN email_classes TEXT NOT NULL DEFAULT '';
UPDATE roles SET email_classes = 'system account support' WHERE id = '00000000-0000-7000-8000-000000000001';
INSERT INTO roles (id, name, name_folded, everything, permissions, email_classes, created_at) VALUES
    ('00000000-0000-7000-8000-000000000003', 'Sales', 'sales', FALSE, 'staff.view departments.view report:accounts', 'account', 0),
    ('00000000-0000-7000-8000-000000000004', 'Support', 'support', FALSE, 'staff.view departments.view report:tickets', 'support', 0)
    ON CONFLICT DO NOTHING;

-- A role that is deleted leaves the invitations that are over: made anew, because SQLite changes no constraint.
CREATE TABLE old_staff_invitations AS SELECT * FROM staff_invitations;
DROP TABLE staff_invitations;
CREATE TABLE staff_invitations (
    invitation_id TEXT PRIMARY KEY REFERENCES invitations (id) ON DELETE CASCADE,
    role_id       TEXT REFERENCES roles (id) ON DELETE SET NULL,
    username      TEXT,
    first_name    TEXT,
    last_name     TEXT,
    -- Username, address and names, folded.
    search        TEXT NOT NULL DEFAULT '',
    -- The member of staff who came of it.
    staff_id      TEXT REFERENCES staff (id) ON DELETE SET NULL
);
INSERT INTO staff_invitations (invitation_id, role_id, username, first_name, last_name, search, staff_id)
    SELECT o.invitation_id, o.role_id, o.username, o.first_name, o.last_name,
        LOWER(COALESCE(o.username, '') || ' ' || COALESCE(i.email, '') || ' ' || COALESCE(o.first_name, '') || ' '
            || COALESCE(o.last_name, '')),
        o.staff_id
    FROM old_staff_invitations o JOIN invitations i ON i.id = o.invitation_id;
DROP TABLE old_staff_invitations;
CREATE INDEX staff_invitations_by_role ON staff_invitations (role_id);
CREATE INDEX staff_invitations_by_staff ON staff_invitations (staff_id);

-- Roles can be made now, so the one that only stood in for others goes, unless somebody has it.
DELETE FROM roles WHERE id = '00000000-0000-7000-8000-000000000002'
    AND NOT EXISTS (SELECT 1 FROM staff WHERE role_id = '00000000-0000-7000-8000-000000000002')
    AND NOT EXISTS (SELECT 1 FROM staff_invitations WHERE role_id = '00000000-0000-7000-8000-000000000002');

CREATE TABLE departments (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    name_folded  TEXT NOT NULL UNIQUE,
    description  TEXT NOT NULL,
    -- Where its mail comes in; NULL: none does.
    email        TEXT,
    email_folded TEXT UNIQUE,
    clients_only BOOLEAN NOT NULL,
    hidden       BOOLEAN NOT NULL,
    -- Its place in the order, from 0.
    position     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL
);
CREATE INDEX departments_in_order ON departments (position, id);
-- One row, held by whoever changes departments, their order or who is in them: one change at a time.
CREATE TABLE department_lock (slot BIGINT PRIMARY KEY);
INSERT INTO department_lock (slot) VALUES (1);

CREATE TABLE department_members (
    department_id TEXT NOT NULL REFERENCES departments (id) ON DELETE CASCADE,
    staff_id      TEXT NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
    -- Whether they want its ticket notifications.
    notify        BOOLEAN NOT NULL,
    PRIMARY KEY (department_id, staff_id)
);
CREATE INDEX departments_of_staff ON department_members (staff_id);

-- The departments that an invitee will be in.
CREATE TABLE invitation_departments (
    invitation_id TEXT NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
    department_id TEXT NOT NULL REFERENCES departments (id) ON DELETE CASCADE,
    notify        BOOLEAN NOT NULL,
    PRIMARY KEY (invitation_id, department_id)
);
CREATE INDEX invitations_to_department ON invitation_departments (department_id);
