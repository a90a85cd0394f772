//! Departments: what the support of a provider is divided into, in an order that people choose, and who is in each.
//!
//! Departments, their order and who is in them change one at a time: every change first locks one row. Putting a
//! colleague into a department or out of it is editing them (FEATURES A13); what a department is called and where its
//! mail comes in is not.

mod members;
mod membership;
mod store;

use crate::{
    authority::{self, Authority},
    cx::{Cx, Reads},
    db,
    event::{Changes, DepartmentCreated, DepartmentDeleted, DepartmentEdited},
    ids::DepartmentId,
    invalid::{self, Checked, Invalid, fold},
    page::{Page, PageRequest},
    time::Timestamp,
};

pub use members::{Member, MemberEntry, members, set_members};
pub use membership::{MemberOf, Membership, SetError, of_invitations, of_staff};
pub(crate) use membership::{from_invitation, set_notify, set_of_invitation, set_of_staff};

/// How many departments there can be.
pub const MOST: usize = 500;

/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 2000;

/// A department.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Department {
    pub id: DepartmentId,
    pub name: String,
    pub description: String,
    /// Where its mail comes in.
    pub email: Option<String>,
    /// Whether guests are kept out.
    pub clients_only: bool,
    /// Whether clients do not see it.
    pub hidden: bool,
    /// Its place in the order, from 0.
    pub position: i64,
    pub member_count: i64,
    pub created_at: Timestamp,
}

/// A department about to be made.
#[derive(Clone, Debug, Default)]
pub struct NewDepartment {
    pub name: String,
    pub description: String,
    pub email: Option<String>,
    pub clients_only: bool,
    pub hidden: bool,
}

/// What to change: the outer `None` leaves a field alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub struct DepartmentChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub email: Option<Option<String>>,
    pub clients_only: Option<bool>,
    pub hidden: Option<bool>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such department")]
    NotFound,
    #[error("another department has that name")]
    NameTaken,
    #[error("another department has that email address")]
    EmailTaken,
    #[error("there are as many departments as there can be")]
    TooMany,
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// Plain text of several lines.
fn description(text: &str) -> Result<String, (&'static str, String)> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if text.chars().any(|c| c.is_control() && c != '\n') {
        Err((
            "malformed",
            "A description is plain text; of what does not show it holds only line feeds.".into(),
        ))
    } else if text.chars().count() > LONGEST_DESCRIPTION {
        Err(("too_long", format!("A description has at most {LONGEST_DESCRIPTION} characters.")))
    } else {
        Ok(text.into())
    }
}

impl NewDepartment {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: invalid.take("name", invalid::title(&self.name)),
            description: invalid.take("description", description(&self.description)),
            email: self.email.map(|email| invalid.take("email", invalid::email(&email))),
            ..self
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl DepartmentChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: self.name.map(|name| invalid.take("name", invalid::title(&name))),
            description: self.description.map(|text| invalid.take("description", description(&text))),
            email: self.email.map(|to| to.map(|to| invalid.take("email", invalid::email(&to)))),
            ..self
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

pub async fn find(reads: &mut impl Reads, id: DepartmentId) -> Result<Option<Department>, db::Error> {
    store::find(reads.db(), id).await
}

/// The departments in their order.
pub async fn list(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<Department>, db::Error> {
    let total = request.total(reads.db(), store::select_one()).await?;
    let rows = store::list(reads.db(), request).await?;
    Ok(request.page(rows, total, |department| (department.position, department.id.into())))
}

/// Makes a department, the last in the order.
pub async fn create(cx: &mut Cx, Checked(new): Checked<NewDepartment>) -> Result<Department, Error> {
    store::lock(cx).await?;
    let count = store::in_order(cx).await?.len();
    if count >= MOST {
        return Err(Error::TooMany);
    }
    let id = DepartmentId::new(cx.now(), cx.chance());
    refuse_taken(cx, id, &new.name, new.email.as_deref()).await?;
    let department = Department {
        id,
        name: new.name,
        description: new.description,
        email: new.email,
        clients_only: new.clients_only,
        hidden: new.hidden,
        position: place(count),
        member_count: 0,
        created_at: cx.now(),
    };
    store::insert(cx, &department).await?;
    cx.emit(DepartmentCreated { department_id: id, name: department.name.clone() }).await?;
    Ok(department)
}

/// Changes what a department is called, says and takes. Its place and its members have ways of their own.
pub async fn change(
    cx: &mut Cx,
    id: DepartmentId,
    Checked(change): Checked<DepartmentChange>,
) -> Result<Department, Error> {
    store::lock(cx).await?;
    let before = find(cx, id).await?.ok_or(Error::NotFound)?;
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.description = change.description.unwrap_or(after.description);
    after.email = change.email.unwrap_or(after.email);
    after.clients_only = change.clients_only.unwrap_or(after.clients_only);
    after.hidden = change.hidden.unwrap_or(after.hidden);

    let mut changed = Changes::default();
    changed.note_words("name", &before.name, &after.name);
    changed.note_free_text("description", &before.description, &after.description);
    changed.note_words("email", &before.email, &after.email);
    changed.note("clients_only", &before.clients_only, &after.clients_only);
    changed.note("hidden", &before.hidden, &after.hidden);
    if !changed.is_empty() {
        refuse_taken(cx, id, &after.name, after.email.as_deref()).await?;
        store::update(cx, &after).await?;
        edited(cx, &after, changed).await?;
    }
    Ok(after)
}

/// Deletes a department; its members are in it no longer, nor will those be who were invited into it.
pub async fn delete(cx: &mut Cx, by: &Authority, id: DepartmentId) -> Result<(), Error> {
    store::lock(cx).await?;
    let department = find(cx, id).await?.ok_or(Error::NotFound)?;
    let by = by.again(cx).await?;
    // Else whoever may not take a colleague out would take the department from under them.
    for rights in store::rights_of_those_in(cx, id, by.staff()).await? {
        by.covers(&rights)?;
    }
    store::delete(cx, &department).await?;
    cx.emit(DepartmentDeleted { department_id: id, name: department.name }).await?;
    Ok(())
}

/// Puts the departments into this order, which names each of them once.
pub async fn reorder(cx: &mut Cx, ids: &[DepartmentId]) -> Result<(), Error> {
    if ids.len() > MOST {
        let message = format!("There are never more than {MOST} departments.");
        return Err(Invalid::one("ids", "too_long", message).into());
    }
    store::lock(cx).await?;
    let departments = store::in_order(cx).await?;
    let mut invalid = Invalid::default();
    for (index, id) in ids.iter().enumerate() {
        let field = format!("ids.{index}");
        if ids[..index].contains(id) {
            invalid.add(&field, "duplicate", "This department stands further up already.");
        } else if departments.iter().all(|department| department.id != *id) {
            invalid.add(&field, "unknown", NO_SUCH_DEPARTMENT);
        }
    }
    for missing in departments.iter().filter(|department| !ids.contains(&department.id)) {
        invalid.add("ids", "required", format!("{} ({}) is missing.", missing.name, missing.id));
    }
    invalid.ok()?;
    for before in departments {
        let Some(index) = ids.iter().position(|id| *id == before.id) else { continue };
        let after = Department { position: place(index), ..before.clone() };
        let mut changed = Changes::default();
        changed.note("position", &before.position, &after.position);
        if !changed.is_empty() {
            store::set_position(cx, &after).await?;
            edited(cx, &after, changed).await?;
        }
    }
    Ok(())
}

const NO_SUCH_DEPARTMENT: &str = "There is no department with this id; GET /v1/admin/departments lists them.";

fn place(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

async fn edited(cx: &mut Cx, department: &Department, changed: Changes) -> Result<(), db::Error> {
    let (department_id, name) = (department.id, department.name.clone());
    cx.emit(DepartmentEdited { department_id, name, changed: changed.into_list() }).await?;
    Ok(())
}

async fn refuse_taken(cx: &mut Cx, id: DepartmentId, name: &str, email: Option<&str>) -> Result<(), Error> {
    if store::name_is_taken(cx, id, &fold(name)).await? {
        return Err(Error::NameTaken);
    }
    match email {
        Some(email) if store::email_is_taken(cx, id, &fold(email)).await? => Err(Error::EmailTaken),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
