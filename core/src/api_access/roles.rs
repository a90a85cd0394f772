//! API roles: sets of operations that programs may call.

use super::{Catalogue, Error, Operations, description, store};
use crate::{
    authority::Authority,
    cx::{Cx, Reads},
    db,
    event::{ApiRoleCreated, ApiRoleDeleted, ApiRoleEdited, Changes},
    ids::ApiRoleId,
    invalid::{self, Checked, Invalid, fold},
    page::{Page, PageRequest},
    time::Timestamp,
};

/// Operations in one API role.
pub const MOST_OPERATIONS: usize = 500;

/// How many unknown operations get a guess at what was meant: guessing compares with every one there is.
const MOST_GUESSES: usize = 10;

/// A set of operations that programs may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRole {
    pub id: ApiRoleId,
    pub name: String,
    pub description: String,
    /// Ids, sorted. One that this version does not have stays, and permits nothing.
    pub operations: Vec<String>,
    pub created_at: Timestamp,
}

impl ApiRole {
    pub(super) fn known(&self, catalogue: &Catalogue) -> Operations {
        catalogue.known(self.operations.iter().map(String::as_str))
    }
}

#[derive(Clone, Debug)]
pub struct NewApiRole {
    pub name: String,
    pub description: String,
    pub operations: Vec<String>,
}

/// What to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ApiRoleChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub operations: Option<Vec<String>>,
}

impl NewApiRole {
    pub fn checked(self, catalogue: &Catalogue) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: invalid.take("name", invalid::title(&self.name)),
            description: invalid.take("description", description(&self.description)),
            operations: operations(&mut invalid, self.operations, catalogue),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl ApiRoleChange {
    pub fn checked(self, catalogue: &Catalogue) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: self.name.map(|name| invalid.take("name", invalid::title(&name))),
            description: self.description.map(|text| invalid.take("description", description(&text))),
            operations: self.operations.map(|ids| operations(&mut invalid, ids, catalogue)),
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// Known ones, sorted, each once.
fn operations(invalid: &mut Invalid, mut ids: Vec<String>, catalogue: &Catalogue) -> Vec<String> {
    if ids.len() > MOST_OPERATIONS {
        invalid.add("operations", "too_many", format!("These are at most {MOST_OPERATIONS}."));
        return Vec::new();
    }
    let unknown = ids.iter().enumerate().filter(|(_, id)| catalogue.get(id).is_none());
    for (count, (index, id)) in unknown.enumerate() {
        let guess = if count < MOST_GUESSES { catalogue.nearest(id) } else { None };
        let meant = guess.map_or_else(String::new, |known| format!(" Did you mean {known}?"));
        let message = format!(
            "Programs can call no such operation.{meant} GET /v1/admin/api-operations lists those they can."
        );
        invalid.add(&format!("operations.{index}"), "unknown", message);
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

pub async fn find(reads: &mut impl Reads, id: ApiRoleId) -> Result<Option<ApiRole>, db::Error> {
    store::find_role(reads.db(), id).await
}

/// The newest first.
pub async fn list(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<ApiRole>, db::Error> {
    let total = request.total(reads.db(), store::select_one_role()).await?;
    let rows = store::list_roles(reads.db(), request).await?;
    Ok(request.page(rows, total, |role| (role.created_at, role.id.into())))
}

pub async fn create(
    cx: &mut Cx,
    by: &Authority,
    catalogue: &Catalogue,
    Checked(new): Checked<NewApiRole>,
) -> Result<ApiRole, Error> {
    let role = ApiRole {
        id: ApiRoleId::new(cx.now(), cx.chance()),
        name: new.name,
        description: new.description,
        operations: new.operations,
        created_at: cx.now(),
    };
    by.again(cx).await?.covers_operations(&role.known(catalogue))?;
    if !store::insert_role(cx, &role, &fold(&role.name)).await? {
        return Err(Error::NameTaken);
    }
    let ApiRole { id, name, operations, .. } = role.clone();
    cx.emit(ApiRoleCreated { api_role_id: id, name, operations }).await?;
    Ok(role)
}

/// Holds for its credentials from their next request on.
pub async fn change(
    cx: &mut Cx,
    by: &Authority,
    catalogue: &Catalogue,
    id: ApiRoleId,
    Checked(change): Checked<ApiRoleChange>,
) -> Result<ApiRole, Error> {
    let before = store::lock_role(cx, id).await?.ok_or(Error::Unknown)?;
    let mut after = before.clone();
    after.name = change.name.unwrap_or(after.name);
    after.description = change.description.unwrap_or(after.description);
    after.operations = change.operations.unwrap_or(after.operations);
    let by = by.again(cx).await?;
    by.covers_operations(&before.known(catalogue))?;
    by.covers_operations(&after.known(catalogue))?;
    if before.operations != after.operations {
        refuse_beyond_owners(cx, &by, id).await?;
    }
    let mut changed = Changes::default();
    changed.note_words("name", &before.name, &after.name);
    changed.note_free_text("description", &before.description, &after.description);
    changed.note_words("operations", &before.operations, &after.operations);
    if changed.is_empty() {
        return Ok(before);
    }
    if !store::update_role(cx, &after, &fold(&after.name)).await? {
        return Err(Error::NameTaken);
    }
    let (name, changed) = (after.name.clone(), changed.into_list());
    cx.emit(ApiRoleEdited { api_role_id: id, name, changed }).await?;
    Ok(after)
}

/// Takes it from its credentials.
pub async fn delete(cx: &mut Cx, by: &Authority, catalogue: &Catalogue, id: ApiRoleId) -> Result<(), Error> {
    let role = store::lock_role(cx, id).await?.ok_or(Error::Unknown)?;
    let by = by.again(cx).await?;
    by.covers_operations(&role.known(catalogue))?;
    refuse_beyond_owners(cx, &by, id).await?;
    store::delete_role(cx, id).await?;
    cx.emit(ApiRoleDeleted { api_role_id: id, name: role.name }).await?;
    Ok(())
}

/// What somebody's programs may do is changed by those only who may change them.
async fn refuse_beyond_owners(cx: &mut Cx, by: &Authority, id: ApiRoleId) -> Result<(), Error> {
    for (owner, rights) in store::owners_with(cx, id).await? {
        if by.staff() != Some(owner) {
            by.covers(&rights)?;
        }
    }
    Ok(())
}
