//! What each report is called, and what its columns mean.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{roles::Report, text_enum::text_enum};

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub report: Report,
    pub title: &'static str,
    pub description: &'static str,
    pub columns: &'static [Column],
}

/// A column of a report.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Column {
    /// Stable, for programs.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    pub r#type: ColumnType,
}

text_enum! {
    /// What stands in a column. Each of them can be null, where there is nothing to say.
    pub enum ColumnType {
        Text => "text",
        Integer => "integer",
        Number => "number",
        /// A day of UTC: `2026-11-01`.
        Date => "date",
        /// An instant (RFC 3339).
        Instant => "instant",
    }
}

const fn column(name: &'static str, label: &'static str, r#type: ColumnType) -> Column {
    Column { name, label, r#type }
}

const fn text(name: &'static str, label: &'static str) -> Column {
    column(name, label, ColumnType::Text)
}

const fn count(name: &'static str, label: &'static str) -> Column {
    column(name, label, ColumnType::Integer)
}

const fn instant(name: &'static str, label: &'static str) -> Column {
    column(name, label, ColumnType::Instant)
}

const DAY: Column = column("day", "Day", ColumnType::Date);

pub(super) const STAFF_ACTIVITY: [Column; 12] = [
    text("staff_id", "Id"),
    text("name", "Name"),
    text("username", "Username"),
    text("role", "Role"),
    count("logins", "Logins"),
    count("refused", "Refused logins"),
    count("changes", "Changes"),
    count("changes_by_programs", "Changes by their API credentials"),
    count("changes_as_users", "Changes as another user"),
    count("invitations", "Invitations"),
    instant("last_login_at", "Last login"),
    instant("last_entry_at", "Last entry"),
];

pub(super) const LOGINS: [Column; 10] = [
    DAY,
    text("audience", "Audience"),
    count("logins", "Logins"),
    count("logins_as", "Staff who came in as a user"),
    count("refused_password", "Refused: password"),
    count("refused_code", "Refused: second factor"),
    count("refused_confirmation", "Refused: password given again"),
    count("challenges", "Asked for a second factor"),
    count("new_addresses", "From a new address"),
    count("people", "People who logged in"),
];

pub(super) const INVITATIONS: [Column; 10] = [
    text("kind", "Kind"),
    text("inviter_kind", "Invited by"),
    text("inviter_id", "Inviter's id"),
    text("inviter", "Inviter"),
    count("created", "Created"),
    count("resent", "Sent anew"),
    count("accepted", "Accepted"),
    count("cancelled", "Cancelled"),
    count("pending", "Of those created: pending now"),
    count("expired", "Of those created: expired now"),
];

pub(super) const ACCOUNTS: [Column; 11] = [
    DAY,
    count("accounts_created", "Accounts created"),
    count("accounts_closed", "Accounts closed"),
    count("accounts_reopened", "Accounts reopened"),
    count("accounts_deleted", "Accounts deleted"),
    count("users_registered", "Users who registered"),
    count("users_invited", "Users who accepted an invitation"),
    count("users_created", "Users created by staff"),
    count("users_deleted", "Users deleted"),
    count("members_added", "Users put on an account"),
    count("members_removed", "Users taken off an account"),
];

pub(super) const DELIVERIES: [Column; 9] = [
    text("mail", "Mail"),
    count("made", "Made"),
    count("delivered", "Delivered"),
    count("waiting", "Waiting"),
    count("dead", "Dead"),
    count("obsolete", "Obsolete"),
    count("attempts", "Attempts"),
    column("median_seconds", "Median time to delivery (s)", ColumnType::Number),
    column("p95_seconds", "95th percentile of it (s)", ColumnType::Number),
];

/// What a report is about; none of one that this version does not make.
pub fn about(report: Report) -> Option<About> {
    let (title, description, columns): (_, _, &[Column]) = match report {
        Report::StaffActivity => (
            "Staff activity",
            "What each member of staff did: their logins, and the entries they made in the activity log, by themselves, by \
             their API credentials, or as a user. Members who are disabled or deleted are left out.",
            &STAFF_ACTIVITY,
        ),
        Report::Logins => (
            "Logins",
            "Logins of staff and of users, day by day, those refused among them. Members of staff who are disabled are left \
             out.",
            &LOGINS,
        ),
        Report::Invitations => (
            "Invitations",
            "What became of invitations, by who sent them: members of staff, owners of accounts together, and Frontdesk \
             itself. Members who are disabled or deleted are left out.",
            &INVITATIONS,
        ),
        Report::Accounts => (
            "Accounts",
            "How accounts, users and who is on which account came and went, day by day.",
            &ACCOUNTS,
        ),
        Report::Deliveries => (
            "Deliveries",
            "The mails that were made in the period, by what they are about: how far they got by now, and how long it took.",
            &DELIVERIES,
        ),
        // Comes with tickets. Roles can name it already.
        Report::Tickets => return None,
    };
    Some(About { report, title, description, columns })
}
