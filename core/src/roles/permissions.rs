//! What a role can permit: the catalogue, sets of it, and who covers whom.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::text_enum::text_enum;

macro_rules! permissions {
    ($($variant:ident $slug:literal $group:literal $label:literal $sentence:literal;)*) => {
        /// Something a role can permit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $(#[doc = $sentence] $variant),* }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &'static [Permission] = &[$(Self::$variant),*];

            /// The stable name, in roles and in the API.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug),* }
            }

            /// The permission of that slug.
            pub fn parse(slug: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.slug() == slug)
            }

            pub const fn describe(self) -> PermissionView {
                match self {
                    $(Self::$variant => PermissionView { slug: $slug, label: $label, group: $group, sentence: $sentence }),*
                }
            }
        }
    };
}

permissions! {
    StaffView "staff.view" "Staff" "View staff" "See the members of staff and who is online.";
    StaffCreate "staff.create" "Staff" "Create staff" "Create members of staff with a username and a password.";
    StaffInvite "staff.invite" "Staff" "Invite staff" "Invite members of staff, and resend, change and cancel their invitations.";
    StaffEdit "staff.edit" "Staff" "Edit staff" "Change the details, the role, the departments and the password of members of staff.";
    StaffDisable "staff.disable" "Staff" "Disable staff" "Shut members of staff out, and let them in again.";
    StaffDelete "staff.delete" "Staff" "Delete staff" "Delete members of staff for good.";
    StaffSecurity "staff.security" "Staff" "Help staff back in" "Send colleagues a link to set their password anew, and remove their second factor.";
    StaffNotes "staff.notes" "Staff" "Private notes" "See and change the private notes of members of staff.";
    RolesView "roles.view" "Roles" "View roles" "See the roles of staff, who has them and what they permit.";
    RolesEdit "roles.edit" "Roles" "Edit roles" "Create, change and delete roles whose permissions one has oneself.";
    DepartmentsView "departments.view" "Departments" "View departments" "See the departments and who is in them.";
    DepartmentsEdit "departments.edit" "Departments" "Edit departments" "Create, change, order and delete departments, and say who is in them.";
    UsersView "users.view" "Users" "View users" "See and search users, their accounts, and how their logins are secured.";
    UsersEdit "users.edit" "Users" "Edit users" "Create users and change their names and language.";
    UsersSecurity "users.security" "Users" "Help users back in" "Change the address of users, send them a link to set their password, set a temporary one, and clear second factor and security question.";
    UsersDisable "users.disable" "Users" "Disable users" "Shut users out, and let them in again.";
    UsersDelete "users.delete" "Users" "Delete users" "Delete users who are on no account.";
    AccountsView "accounts.view" "Accounts" "View accounts" "See and search accounts, their notes, contacts, users and invitations.";
    AccountsEdit "accounts.edit" "Accounts" "Edit accounts" "Create accounts, change, close and reopen them, and edit their contacts.";
    AccountsUsers "accounts.users" "Accounts" "Users of accounts" "Invite users to accounts, add and remove them, and change their permissions there.";
    AccountsOwner "accounts.owner" "Accounts" "Give accounts another owner" "Make another of its users the owner of an account.";
    AccountsDelete "accounts.delete" "Accounts" "Delete accounts" "Delete accounts for good, with everything that is only theirs.";
    AccountsLoginAs "accounts.login_as" "Accounts" "Log in as a user" "Come in as a user of an account, as that user sees it.";
    AccountsSetup "accounts.setup" "Accounts" "Set up accounts" "Say which groups, custom fields and security questions there are.";
    AccountsAuthorize "accounts.authorize" "Accounts" "Ask who may do what" "Ask whose session a token is, and what a user may do on an account: for other systems.";
    ApiAccess "api.access" "API access" "Use the API" "Have API credentials: without it one's own refuse to work.";
    ApiView "api.view" "API access" "View API access" "See API roles and whose API credentials there are.";
    ApiEdit "api.edit" "API access" "Edit API access" "Create, change, rotate and delete API roles and API credentials within one's own permissions.";
    BansView "bans.view" "Security" "View bans" "See which addresses are banned and which are trusted.";
    BansManage "bans.manage" "Security" "Manage bans" "Ban addresses, lift bans, and say which addresses are trusted.";
    ActivityView "activity.view" "Activity" "View activity" "See and search the activity log: who did what, when and from where.";
    ActivityExport "activity.export" "Activity" "Export activity" "Take the activity log away as a file, whole or of one person.";
    ActivityErase "activity.erase" "Activity" "Erase people" "Erase from the activity log what it holds of people who were deleted.";
    SettingsView "settings.view" "Settings" "View settings" "See how the service is set.";
    SettingsEdit "settings.edit" "Settings" "Change settings" "Change how the service is set, its security included.";
}

/// A permission as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PermissionView {
    pub slug: &'static str,
    pub label: &'static str,
    pub group: &'static str,
    pub sentence: &'static str,
}

text_enum! {
    /// A report that a role can open.
    pub enum Report {
        StaffActivity => "staff-activity",
        Logins => "logins",
        Invitations => "invitations",
        Accounts => "accounts",
        Deliveries => "deliveries",
        Tickets => "tickets",
    }
}

/// What somebody may do and which reports they may open, as one number: permissions from the lowest bit up, reports from
/// the highest down. Nobody gives a report either that they do not have.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionSet(u128);

/// Stands for every report, those of later versions included.
const ALL_REPORTS: u128 = 1 << 127;
/// How a report is written beside permissions.
const REPORT: &str = "report:";
const EVERY_REPORT: &str = "report:*";

impl PermissionSet {
    pub const NONE: Self = Self(0);

    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect::<Self>().with_all_reports()
    }

    pub fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// Whether every report may be opened, those of later versions included.
    pub fn has_all_reports(self) -> bool {
        self.0 & ALL_REPORTS != 0
    }

    /// The reports that may be opened.
    pub fn reports(self) -> impl Iterator<Item = Report> {
        Report::ALL.iter().copied().filter(move |report| self.0 & report_bit(*report) != 0)
    }

    pub fn with_all_reports(self) -> Self {
        Report::ALL.iter().fold(Self(self.0 | ALL_REPORTS), |set, report| set.with_report(*report))
    }

    pub fn with_report(self, report: Report) -> Self {
        Self(self.0 | report_bit(report))
    }

    pub fn without_reports(self) -> Self {
        self.iter().collect()
    }

    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What either has.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    /// Words separated by spaces, as stored. One that this version does not know permits nothing.
    fn parse(words: &str) -> Self {
        words.split(' ').fold(Self::NONE, |set, word| match word.strip_prefix(REPORT) {
            Some("*") => set.with_all_reports(),
            Some(report) => Report::parse(report).map_or(set, |report| set.with_report(report)),
            None => Permission::parse(word).map_or(set, |permission| Self(set.0 | bit(permission))),
        })
    }

    /// As stored.
    pub(crate) fn to_words(self) -> String {
        self.words().join(" ")
    }

    /// The slugs of permissions, then the reports.
    pub(crate) fn words(self) -> Vec<String> {
        let mut words: Vec<_> = self.iter().map(|permission| permission.slug().to_owned()).collect();
        if self.has_all_reports() {
            words.push(EVERY_REPORT.into());
        } else {
            words.extend(self.reports().map(|report| format!("{REPORT}{report}")));
        }
        words
    }
}

const fn report_bit(report: Report) -> u128 {
    1 << (126 - report as u32)
}

const fn bit(permission: Permission) -> u128 {
    1 << permission as u32
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | bit(permission)))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_words())
    }
}

/// What a role lets its members do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Also what later versions and plugins bring.
    pub everything: bool,
    pub permissions: PermissionSet,
}

impl Rights {
    pub(crate) fn from_columns(everything: bool, permissions: &str) -> Self {
        let permissions = if everything { PermissionSet::all() } else { PermissionSet::parse(permissions) };
        Self { everything, permissions }
    }

    pub fn has(&self, permission: Permission) -> bool {
        self.permissions.has(permission)
    }

    /// The same, as far as a program may use them: never everything, which would hold what it does not name.
    pub(crate) fn limited_to(self, most: PermissionSet) -> Self {
        Self { everything: false, permissions: PermissionSet(self.permissions.0 & most.0) }
    }

    /// Nobody gives what they do not have.
    pub(crate) fn covers(&self, other: &Rights) -> bool {
        self.everything || (!other.everything && other.permissions.is_within(self.permissions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_found_by_slug_and_fit_the_set() {
        assert!(Permission::ALL.len() + Report::ALL.len() < 128);
        for permission in Permission::ALL {
            let set = PermissionSet::parse(&format!("unknown.one {}", permission.slug()));
            assert_eq!(set.iter().collect::<Vec<_>>(), [*permission]);
            assert_eq!(PermissionSet::parse(&set.to_words()), set);
            assert!(permission.describe().sentence.ends_with('.'));
        }
    }

    #[test]
    fn only_everything_covers_everything() {
        let all_listed = Rights { everything: false, permissions: PermissionSet::all() };
        let everything = Rights::from_columns(true, "");
        let none = Rights::from_columns(false, "");
        assert!(everything.covers(&all_listed) && everything.covers(&everything) && all_listed.covers(&none));
        assert!(!all_listed.covers(&everything) && !none.covers(&all_listed) && none.covers(&none));
    }

    #[test]
    fn all_reports_cover_each_and_not_the_other_way() {
        let none = PermissionSet::NONE;
        let each = Report::ALL.iter().fold(none, |set, report| set.with_report(*report));
        let all = none.with_all_reports();
        assert!(each.is_within(all) && !all.is_within(each) && !each.is_within(none));
        assert_eq!(all.to_words(), "report:*");
        assert_eq!(PermissionSet::parse("report:* staff.view").to_words(), "staff.view report:*");
        let one = PermissionSet::parse("report:logins report:unknown staff.view");
        assert_eq!(one.reports().collect::<Vec<_>>(), [Report::Logins]);
        assert_eq!(one.to_words(), "staff.view report:logins");
        assert_eq!(one.without_reports().to_words(), "staff.view");
        assert!(PermissionSet::all().has_all_reports());
    }
}
