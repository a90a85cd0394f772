//! Roles of staff, and the catalogue of what a role can permit.

mod store;

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    authority::{self, Authority},
    cx::{Cx, Reads},
    db,
    event::{Changes, RoleEdited},
    ids::RoleId,
    invalid::fold,
    page::{Page, PageRequest},
    time::Timestamp,
};

/// The role that has every permission, those of later versions and of plugins included.
pub const FULL_ADMINISTRATOR: RoleId = RoleId::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);

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
    ApiAccess "api.access" "API access" "Use the API" "Have API credentials: without it one's own refuse to work.";
    ApiView "api.view" "API access" "View API access" "See API roles and whose API credentials there are.";
    ApiEdit "api.edit" "API access" "Edit API access" "Create, change, rotate and delete API roles and API credentials within one's own permissions.";
    BansView "bans.view" "Security" "View bans" "See which addresses are banned and which are trusted.";
    BansManage "bans.manage" "Security" "Manage bans" "Ban addresses, lift bans, and say which addresses are trusted.";
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

/// A set of permissions, as one number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionSet(u128);

impl PermissionSet {
    pub const NONE: Self = Self(0);

    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    pub fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    pub fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    /// Slugs separated by spaces, as stored. One that this version does not know permits nothing.
    fn parse(slugs: &str) -> Self {
        slugs
            .split(' ')
            .filter_map(|slug| Permission::ALL.iter().copied().find(|p| p.slug() == slug))
            .collect()
    }
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
        f.debug_set().entries(self.iter().map(Permission::slug)).finish()
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
    pub(crate) fn limited_to(self, most: Option<PermissionSet>) -> Self {
        let Some(most) = most else { return self };
        Self { everything: false, permissions: self.permissions.and(most) }
    }

    /// Nobody gives what they do not have.
    pub(crate) fn covers(&self, other: &Rights) -> bool {
        self.everything || (!other.everything && other.permissions.is_within(self.permissions))
    }
}

/// A role of staff.
#[derive(Clone, Debug)]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    pub rights: Rights,
    /// Whether its members must have a second factor.
    pub second_factor_required: bool,
    pub created_at: Timestamp,
}

pub async fn find(reads: &mut impl Reads, id: RoleId) -> Result<Option<Role>, db::Error> {
    store::find(reads.db(), id).await
}

/// The role of that name, without regard to case.
pub async fn find_by_name(reads: &mut impl Reads, name: &str) -> Result<Option<Role>, db::Error> {
    store::find_by_name(reads.db(), &fold(name.trim())).await
}

pub async fn list(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<Role>, db::Error> {
    let total = request.total(reads.db(), store::select_one()).await?;
    let rows = store::list(reads.db(), request).await?;
    Ok(request.page(rows, total, |role| (role.created_at, role.id.into())))
}

/// Holds a role until the transaction ends: it neither goes nor changes, and nobody is put into it meanwhile.
pub(crate) async fn lock(cx: &mut Cx, id: RoleId) -> Result<(), db::Error> {
    store::lock(cx, id).await
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such role")]
    Unknown,
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Sets whether a role's members must have a second factor. Whoever has none enrols at the next login.
pub async fn require_second_factor(
    cx: &mut Cx,
    by: &Authority,
    id: RoleId,
    required: bool,
) -> Result<Role, Error> {
    lock(cx, id).await?;
    let role = find(cx, id).await?.ok_or(Error::Unknown)?;
    by.again(cx).await?.over_role(id, &role.rights)?;
    if store::require_second_factor(cx, id, required).await? {
        let mut changed = Changes::default();
        changed.note("second_factor_required", &role.second_factor_required, &required);
        cx.emit(RoleEdited { role_id: id, name: role.name.clone(), changed: changed.into_list() }).await?;
    }
    Ok(Role { second_factor_required: required, ..role })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_found_by_slug_and_fit_the_set() {
        assert!(Permission::ALL.len() <= 128);
        for permission in Permission::ALL {
            let set = PermissionSet::parse(&format!("unknown.one {}", permission.slug()));
            assert_eq!(set.iter().collect::<Vec<_>>(), [*permission]);
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
}
