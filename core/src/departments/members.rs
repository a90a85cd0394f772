//! Who is in a department: asked and set from the side of the department.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Department, Error, edited, find,
    membership::wanted,
    store::{self, Colleague},
};
use crate::{
    authority::{Authority, Refused},
    cx::{Cx, Reads},
    event::Changes,
    ids::{DepartmentId, StaffId},
    invalid::Invalid,
    logins,
    page::{Page, PageRequest},
    time::Timestamp,
};

/// How many members a department can have.
const MOST: usize = 500;

/// A member of staff in a department.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    pub id: StaffId,
    pub username: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub disabled: bool,
    /// Whether they want its ticket notifications.
    pub notify: bool,
    /// When their login was made.
    pub created_at: Timestamp,
}

/// A member of staff who is to be in a department.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DepartmentMemberEntry")]
pub struct MemberEntry {
    pub id: StaffId,
    /// Whether they want its ticket notifications.
    #[serde(default = "wanted")]
    pub notify: bool,
}

/// As events tell of a member.
#[derive(Debug, PartialEq, Serialize)]
struct Listed<'c> {
    id: StaffId,
    username: &'c str,
    notify: bool,
}

/// The newest members of staff first.
pub async fn members(
    reads: &mut impl Reads,
    id: DepartmentId,
    request: &PageRequest,
) -> Result<Page<Member>, Error> {
    find(reads, id).await?.ok_or(Error::NotFound)?;
    let total = request.total(reads.db(), store::select_one_member(id)).await?;
    let rows = store::members(reads.db(), id, request).await?;
    Ok(request.page(rows, total, |member| (member.created_at, member.id.into())))
}

/// Puts exactly these members of staff into a department. Whoever is put in or out, or is told of more or less, is judged
/// as if they were edited; oneself one may take out, not put in.
pub async fn set_members(
    cx: &mut Cx,
    by: &Authority,
    id: DepartmentId,
    to: &[MemberEntry],
) -> Result<Department, Error> {
    refuse_malformed(to)?;
    // Their logins before the departments, as whoever changes or deletes them does: they stay until this is decided. One
    // by one and in one order, so that two changes at once do not wait for each other.
    let mut concerned: Vec<StaffId> = store::colleagues(cx, id, to)
        .await?
        .iter()
        .filter(|one| wish(to, one) != one.notify)
        .map(|one| one.id)
        .collect();
    concerned.sort_unstable();
    for one in concerned {
        logins::lock(cx, one.into()).await?;
    }
    store::lock(cx).await?;
    let department = find(cx, id).await?.ok_or(Error::NotFound)?;
    let colleagues = store::colleagues(cx, id, to).await?;
    refuse_unknown(to, &colleagues)?;
    let changed: Vec<_> = colleagues.iter().filter(|one| wish(to, one) != one.notify).collect();
    let by = by.again(cx).await?;
    for one in &changed {
        judge(&by, one)?;
    }

    for one in &changed {
        match wish(to, one) {
            None => store::leave(cx, id, one.id).await?,
            Some(notify) if one.notify.is_some() => store::set_notify(cx, id, one.id, notify).await?,
            Some(_) => {}
        }
    }
    let joining = changed.iter().filter(|one| one.notify.is_none());
    store::join(cx, joining.filter_map(|one| Some((id, one.id, wish(to, one)?)))).await?;
    if changed.is_empty() {
        return Ok(department);
    }
    let mut changes = Changes::default();
    changes.note_words(
        "members",
        &listed(&colleagues, |one| one.notify),
        &listed(&colleagues, |one| wish(to, one)),
    );
    edited(cx, &department, changes).await?;
    find(cx, id).await?.ok_or(Error::NotFound)
}

/// Whether they are to be told of tickets; none if they are not to be in it.
fn wish(to: &[MemberEntry], one: &Colleague) -> Option<bool> {
    to.iter().find(|entry| entry.id == one.id).map(|entry| entry.notify)
}

fn judge(by: &Authority, one: &Colleague) -> Result<(), Refused> {
    if by.staff() != Some(one.id) {
        return by.covers(&one.rights);
    }
    let joins = one.notify.is_none();
    if joins && !by.rights().everything { Err(Refused::OwnLogin) } else { Ok(()) }
}

fn listed(colleagues: &[Colleague], notify: impl Fn(&Colleague) -> Option<bool>) -> Vec<Listed<'_>> {
    colleagues
        .iter()
        .filter_map(|one| Some(Listed { id: one.id, username: &one.username, notify: notify(one)? }))
        .collect()
}

fn refuse_malformed(to: &[MemberEntry]) -> Result<(), Invalid> {
    if to.len() > MOST {
        let message = format!("A department has {MOST} members at most.");
        return Err(Invalid::one("members", "too_long", message));
    }
    let mut invalid = Invalid::default();
    for (index, entry) in to.iter().enumerate() {
        if to[..index].iter().any(|other| other.id == entry.id) {
            invalid.add(&format!("members.{index}.id"), "duplicate", "They stand further up already.");
        }
    }
    invalid.ok()
}

fn refuse_unknown(to: &[MemberEntry], colleagues: &[Colleague]) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    for (index, entry) in to.iter().enumerate() {
        if colleagues.iter().all(|one| one.id != entry.id) {
            let message = "There is no member of staff with this id; GET /v1/admin/staff lists them.";
            invalid.add(&format!("members.{index}.id"), "unknown", message);
        }
    }
    invalid.ok()
}
