//! Roles of staff: what their members may do, which reports they open, and which mails reach them.

mod permissions;
mod store;

use std::collections::HashMap;

use crate::{
    authority::{self, Authority},
    cx::{Cx, Reads},
    db,
    event::{Changes, RoleCreated, RoleDeleted, RoleEdited},
    ids::RoleId,
    invalid::{self, Checked, Invalid, fold},
    page::{Page, PageRequest},
    text_enum::text_enum,
    time::Timestamp,
};

pub use permissions::{Permission, PermissionSet, PermissionView, Report, Rights};

/// The role that has every permission, those of later versions and of plugins included.
pub const FULL_ADMINISTRATOR: RoleId = RoleId::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);

text_enum! {
    /// A class of notifications that a role lets through to its members (FEATURES B1).
    pub enum EmailClass {
        /// Plugins, the system, sessions, the API, staff, roles.
        System => "system",
        /// Users, accounts, invitations.
        Account => "account",
        /// Tickets.
        Support => "support",
    }
}

/// A role of staff.
#[derive(Clone, Debug)]
pub struct Role {
    pub id: RoleId,
    pub name: String,
    /// What its members may do, and which reports they may open.
    pub rights: Rights,
    pub email_classes: Vec<EmailClass>,
    /// Whether its members must have a second factor.
    pub second_factor_required: bool,
    pub created_at: Timestamp,
}

/// A role about to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    pub name: String,
    pub permissions: PermissionSet,
    pub email_classes: Vec<EmailClass>,
    pub second_factor_required: bool,
}

/// What to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    pub name: Option<String>,
    /// Without reports.
    pub permissions: Option<PermissionSet>,
    pub all_reports: Option<bool>,
    pub reports: Option<Vec<Report>>,
    pub email_classes: Option<Vec<EmailClass>>,
    pub second_factor_required: Option<bool>,
}

/// How many people have a role, or will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members {
    pub active: i64,
    pub disabled: i64,
    /// Invited, and not there yet.
    pub pending: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such role")]
    Unknown,
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("a role has that name")]
    NameTaken,
    /// What the full role permits is fixed, and it stays.
    #[error("the full role stays full")]
    FullRole,
    #[error("somebody has this role")]
    InUse(Members),
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
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

/// How many have each of these roles.
pub async fn members(reads: &mut impl Reads, ids: &[RoleId]) -> Result<HashMap<RoleId, Members>, db::Error> {
    let mut members: HashMap<_, _> = ids.iter().map(|id| (*id, Members::default())).collect();
    for (id, state, count) in store::members(reads.db(), ids).await? {
        let of = members.entry(id).or_default();
        match state.as_str() {
            "active" => of.active = count,
            "disabled" => of.disabled = count,
            _ => of.pending = count,
        }
    }
    Ok(members)
}

/// Holds a role until the transaction ends: it neither goes nor changes, and nobody is put into it meanwhile.
pub(crate) async fn lock(cx: &mut Cx, id: RoleId) -> Result<(), db::Error> {
    store::lock(cx, id).await
}

impl NewRole {
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let name = invalid.take("name", invalid::title(&self.name));
        let checked = Self { name, email_classes: tidy(self.email_classes), ..self };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl RoleChange {
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let name = self.name.map(|name| invalid.take("name", invalid::title(&name)));
        let checked = Self { name, email_classes: self.email_classes.map(tidy), ..self };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// Each once, in their order.
fn tidy(mut classes: Vec<EmailClass>) -> Vec<EmailClass> {
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// Makes a role, which permits nothing that `by` may not.
pub async fn create(cx: &mut Cx, by: &Authority, Checked(new): Checked<NewRole>) -> Result<Role, Error> {
    let by = by.again(cx).await?;
    make(cx, &by, new, None).await
}

/// Makes a role like another one under a new name. One like the full role permits what there is today, and is a role
/// like any other.
pub async fn duplicate(cx: &mut Cx, by: &Authority, id: RoleId, name: &str) -> Result<Role, Error> {
    let name = invalid::title(name).map_err(|(code, message)| Invalid::one("name", code, message))?;
    lock(cx, id).await?;
    let source = find(cx, id).await?.ok_or(Error::Unknown)?;
    let new = NewRole {
        name,
        permissions: source.rights.permissions,
        email_classes: source.email_classes,
        second_factor_required: source.second_factor_required,
    };
    let by = by.again(cx).await?;
    make(cx, &by, new, Some(source.name)).await
}

async fn make(cx: &mut Cx, by: &Authority, new: NewRole, after: Option<String>) -> Result<Role, Error> {
    let rights = Rights { everything: false, permissions: new.permissions };
    by.covers(&rights)?;
    let role = Role {
        id: RoleId::new(cx.now(), cx.chance()),
        name: new.name,
        rights,
        email_classes: new.email_classes,
        second_factor_required: new.second_factor_required,
        created_at: cx.now(),
    };
    if !store::insert(cx, &role).await? {
        return Err(Error::NameTaken);
    }
    let permissions = role.rights.permissions.words();
    let created = RoleCreated { role_id: role.id, name: role.name.clone(), permissions, duplicate_of: after };
    cx.emit(created).await?;
    Ok(role)
}

/// Changes a role; its members feel it on their next request.
pub async fn change(
    cx: &mut Cx,
    by: &Authority,
    id: RoleId,
    Checked(change): Checked<RoleChange>,
) -> Result<Role, Error> {
    lock(cx, id).await?;
    let before = find(cx, id).await?.ok_or(Error::Unknown)?;
    let by = by.again(cx).await?;
    by.over_role(id, &before.rights)?;

    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.email_classes = change.email_classes.unwrap_or(after.email_classes);
    after.second_factor_required = change.second_factor_required.unwrap_or(after.second_factor_required);
    let set = before.rights.permissions;
    let mut permissions = change.permissions.unwrap_or_else(|| set.without_reports());
    // Whoever names some means these alone.
    let all_reports = change.all_reports.unwrap_or(set.has_all_reports() && change.reports.is_none());
    let reports = change.reports.unwrap_or_else(|| match set.has_all_reports() {
        // No longer all of them, and none is named.
        true => Vec::new(),
        false => set.reports().collect(),
    });
    permissions = reports.into_iter().fold(permissions, PermissionSet::with_report);
    if all_reports {
        permissions = permissions.with_all_reports();
    }
    after.rights.permissions = permissions;
    if before.rights.everything && permissions != set {
        return Err(Error::FullRole);
    }
    by.covers(&after.rights)?;

    let mut changed = Changes::default();
    changed.note_words("name", &before.name, &after.name);
    changed.note_words("permissions", &set.words(), &permissions.words());
    changed.note("email_classes", &before.email_classes, &after.email_classes);
    changed.note("second_factor_required", &before.second_factor_required, &after.second_factor_required);
    if changed.is_empty() {
        return Ok(before);
    }
    if fold(&before.name) != fold(&after.name)
        && store::find_by_name(cx.db(), &fold(&after.name)).await?.is_some()
    {
        return Err(Error::NameTaken);
    }
    if !store::update(cx, &after).await? {
        return Err(Error::NameTaken);
    }
    cx.emit(RoleEdited { role_id: id, name: after.name.clone(), changed: changed.into_list() }).await?;
    Ok(after)
}

/// Deletes a role that nobody has, disabled and invited people included.
pub async fn delete(cx: &mut Cx, by: &Authority, id: RoleId) -> Result<(), Error> {
    lock(cx, id).await?;
    let role = find(cx, id).await?.ok_or(Error::Unknown)?;
    if role.rights.everything {
        return Err(Error::FullRole);
    }
    by.again(cx).await?.over_role(id, &role.rights)?;
    let members = members(cx, &[id]).await?.remove(&id).unwrap_or_default();
    if members != Members::default() {
        return Err(Error::InUse(members));
    }
    store::delete(cx, id).await?;
    cx.emit(RoleDeleted { role_id: id, name: role.name }).await?;
    Ok(())
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}
