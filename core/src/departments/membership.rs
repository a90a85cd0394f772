//! In which departments somebody is, or will be once they accept: asked and set from the side of the person.
//!
//! Whether that may be done is judged, and that it was done is written down, by whoever changes the person.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NO_SUCH_DEPARTMENT, store};
use crate::{
    cx::{Cx, Reads},
    db,
    ids::{DepartmentId, InvitationId, StaffId},
    invalid::Invalid,
};

/// In how many departments one person can be.
const MOST: usize = 100;

/// A department that somebody is to be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    pub id: DepartmentId,
    /// Whether they want its ticket notifications.
    #[serde(default = "wanted")]
    pub notify: bool,
}

pub(super) fn wanted() -> bool {
    true
}

/// A department that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemberOf {
    pub id: DepartmentId,
    pub name: String,
    /// Whether they want its ticket notifications.
    pub notify: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for SetError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// The departments of these members of staff, in the departments' order. Who is in none is left out.
pub async fn of_staff(
    reads: &mut impl Reads,
    ids: &[StaffId],
) -> Result<HashMap<StaffId, Vec<MemberOf>>, db::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(by_person(store::departments_of_staff(reads.db(), ids).await?))
}

/// The departments that these invitees will be in, in the departments' order. Who will be in none is left out.
pub async fn of_invitations(
    reads: &mut impl Reads,
    ids: &[InvitationId],
) -> Result<HashMap<InvitationId, Vec<MemberOf>>, db::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(by_person(store::departments_of_invitations(reads.db(), ids).await?))
}

fn by_person<P: std::hash::Hash + Eq>(
    rows: Vec<(P, DepartmentId, String, bool)>,
) -> HashMap<P, Vec<MemberOf>> {
    let mut people: HashMap<P, Vec<MemberOf>> = HashMap::new();
    for (person, id, name, notify) in rows {
        people.entry(person).or_default().push(MemberOf { id, name, notify });
    }
    people
}

/// Puts a member of staff into exactly these departments.
pub(crate) async fn set_of_staff(cx: &mut Cx, id: StaffId, to: &[Membership]) -> Result<(), SetError> {
    refuse_malformed(to)?;
    store::lock(cx).await?;
    refuse_unknown(to, &store::known(cx, &ids(to)).await?, NO_SUCH_DEPARTMENT)?;
    store::leave_all(cx, id).await?;
    store::join(cx, to.iter().map(|to| (to.id, id, to.notify))).await?;
    Ok(())
}

/// Lets an invitation lead into exactly these departments.
pub(crate) async fn set_of_invitation(
    cx: &mut Cx,
    id: InvitationId,
    to: &[Membership],
) -> Result<(), SetError> {
    refuse_malformed(to)?;
    store::lock(cx).await?;
    refuse_unknown(to, &store::known(cx, &ids(to)).await?, NO_SUCH_DEPARTMENT)?;
    store::forget_of_invitation(cx, id).await?;
    store::promise(cx, id, to).await?;
    Ok(())
}

/// Puts whoever accepted an invitation into the departments it leads to.
pub(crate) async fn from_invitation(
    cx: &mut Cx,
    invitation: InvitationId,
    staff: StaffId,
) -> Result<(), db::Error> {
    // Most lead to none, and need not wait for anybody.
    if of_invitations(cx, &[invitation]).await?.is_empty() {
        return Ok(());
    }
    store::lock(cx).await?;
    store::keep_promise(cx, invitation, staff).await
}

/// Sets whether somebody wants the ticket notifications of departments they are in.
pub(crate) async fn set_notify(cx: &mut Cx, staff: StaffId, to: &[Membership]) -> Result<(), SetError> {
    refuse_malformed(to)?;
    store::lock(cx).await?;
    let theirs = of_staff(cx, &[staff]).await?.remove(&staff).unwrap_or_default();
    let theirs: Vec<_> = theirs.into_iter().map(|theirs| theirs.id).collect();
    refuse_unknown(to, &theirs, "They are in no department with this id.")?;
    for to in to {
        store::set_notify(cx, to.id, staff, to.notify).await?;
    }
    Ok(())
}

fn ids(to: &[Membership]) -> Vec<DepartmentId> {
    to.iter().map(|to| to.id).collect()
}

fn refuse_malformed(to: &[Membership]) -> Result<(), Invalid> {
    if to.len() > MOST {
        let message = format!("One person is in {MOST} departments at most.");
        return Err(Invalid::one("departments", "too_long", message));
    }
    let mut invalid = Invalid::default();
    for (index, Membership { id, .. }) in to.iter().enumerate() {
        if to[..index].iter().any(|other| other.id == *id) {
            let field = format!("departments.{index}.id");
            invalid.add(&field, "duplicate", "This department stands further up already.");
        }
    }
    invalid.ok()
}

fn refuse_unknown(to: &[Membership], known: &[DepartmentId], message: &str) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    for (index, Membership { id, .. }) in to.iter().enumerate() {
        if !known.contains(id) {
            invalid.add(&format!("departments.{index}.id"), "unknown", message);
        }
    }
    invalid.ok()
}
