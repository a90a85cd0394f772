//! What admins want to know of accounts beyond the usual: the fields, their order, and what accounts have in them.
//!
//! Fields and values change one at a time: every change first locks one row. So no value is left of a field that is
//! deleted, and a select takes what it offers at that moment. A value that no longer fits, because an option was taken away,
//! stays until it is changed.

mod store;
mod values;

use crate::{
    cx::{Cx, Reads},
    db,
    event::{Changes, CustomFieldCreated, CustomFieldDeleted, CustomFieldEdited},
    ids::CustomFieldId,
    invalid::{self, Checked, Invalid, fold},
    page::{Page, PageRequest},
    text_enum::text_enum,
    time::Timestamp,
};

pub(crate) use values::check_registration;
pub use values::{Editor, SetError, of_accounts, set};

/// How many fields there can be.
pub const MOST: usize = 100;
/// How many options a select can have.
const MOST_OPTIONS: usize = 100;
/// Longest slug, in characters.
const LONGEST_SLUG: usize = 40;
/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 2000;

text_enum! {
    /// What a custom field holds.
    #[schemars(rename = "CustomFieldKind")]
    pub enum Kind {
        /// One line, 1000 characters at most.
        Text => "text",
        Number => "number",
        /// One of its options.
        Select => "select",
        /// True, or nothing.
        Tick => "tick",
        /// A day as in RFC 3339: `2026-11-22`.
        Date => "date",
    }
}

/// A custom field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    pub id: CustomFieldId,
    /// What the API calls it.
    pub slug: String,
    pub name: String,
    pub description: String,
    pub kind: Kind,
    /// What a select offers.
    pub options: Vec<String>,
    /// Users must fill it in when they register, and nobody empties it.
    pub required: bool,
    /// Users neither see nor set it.
    pub staff_only: bool,
    /// Its place in the order, from 0.
    pub position: i64,
    pub created_at: Timestamp,
}

/// A field about to be made.
#[derive(Clone, Debug)]
pub struct NewCustomField {
    pub slug: String,
    pub name: String,
    pub description: String,
    pub kind: Kind,
    pub options: Vec<String>,
    pub required: bool,
    pub staff_only: bool,
}

/// What to change; what is `None` stays. Slug and kind are fixed: programs know the one, values are of the other.
#[derive(Clone, Debug, Default)]
pub struct CustomFieldChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub options: Option<Vec<String>>,
    pub required: Option<bool>,
    pub staff_only: Option<bool>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error("there is no such custom field")]
    NotFound,
    #[error("another custom field has that slug")]
    SlugTaken,
    #[error("there are as many custom fields as there can be")]
    TooMany,
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

/// A letter, then letters, digits and underscores.
fn slug(text: &str) -> Result<String, (&'static str, String)> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if first && text.len() <= LONGEST_SLUG && text.bytes().all(fits) {
        Ok(text.into())
    } else {
        let message = format!(
            "A slug begins with a lower case letter and holds such letters, digits and underscores, {LONGEST_SLUG} at most."
        );
        Err(("malformed", message))
    }
}

/// Those of a select, each in its kept form. Other kinds have none.
fn options(kind: Kind, given: &[String], invalid: &mut Invalid) -> Vec<String> {
    if kind != Kind::Select {
        if !given.is_empty() {
            invalid.add("options", "unknown", "Only a select has options.");
        }
        return Vec::new();
    }
    if given.is_empty() {
        invalid.add("options", "required", "A select offers one option at least.");
    } else if given.len() > MOST_OPTIONS {
        invalid.add("options", "too_long", format!("A select offers {MOST_OPTIONS} options at most."));
        return Vec::new();
    }
    let mut kept: Vec<String> = Vec::with_capacity(given.len());
    for (index, option) in given.iter().enumerate() {
        let field = format!("options.{index}");
        let option = invalid.take(&field, invalid::title(option));
        if !option.is_empty() && kept.iter().any(|other| fold(other) == fold(&option)) {
            invalid.add(&field, "duplicate", "This option stands further up already.");
        }
        kept.push(option);
    }
    kept
}

fn description(text: &str) -> Result<String, (&'static str, String)> {
    invalid::plain_text(text.replace("\r\n", "\n").trim(), LONGEST_DESCRIPTION)
}

impl NewCustomField {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            slug: invalid.take("slug", slug(&self.slug)),
            name: invalid.take("name", invalid::title(&self.name)),
            description: invalid.take("description", description(&self.description)),
            options: options(self.kind, &self.options, &mut invalid),
            ..self
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl CustomFieldChange {
    /// The same with every field in its kept form; the options are judged once it is known whether it is a select.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            name: self.name.map(|name| invalid.take("name", invalid::title(&name))),
            description: self.description.map(|text| invalid.take("description", description(&text))),
            ..self
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// The fields in their order.
pub async fn list(reads: &mut impl Reads, request: &PageRequest) -> Result<Page<CustomField>, db::Error> {
    let total = request.total(reads.db(), store::select_one()).await?;
    let rows = store::list(reads.db(), request).await?;
    Ok(request.page(rows, total, |field| (field.position, field.id.into())))
}

/// The fields that users are asked to fill in, in their order.
pub async fn for_users(reads: &mut impl Reads) -> Result<Vec<CustomField>, db::Error> {
    let fields = store::in_order(reads.db()).await?;
    Ok(fields.into_iter().filter(|field| !field.staff_only).collect())
}

/// Makes a field, the last in the order.
pub async fn create(cx: &mut Cx, Checked(new): Checked<NewCustomField>) -> Result<CustomField, Error> {
    store::lock(cx).await?;
    let fields = store::in_order(cx.db()).await?;
    if fields.len() >= MOST {
        return Err(Error::TooMany);
    }
    if fields.iter().any(|field| field.slug == new.slug) {
        return Err(Error::SlugTaken);
    }
    let NewCustomField { slug, name, description, kind, options, required, staff_only } = new;
    let (id, created_at) = (CustomFieldId::new(cx.now(), cx.chance()), cx.now());
    let position = place(fields.len());
    let field = CustomField {
        id,
        slug,
        name,
        description,
        kind,
        options,
        required,
        staff_only,
        position,
        created_at,
    };
    store::insert(cx, &field).await?;
    cx.emit(CustomFieldCreated { custom_field_id: id, slug: field.slug.clone() }).await?;
    Ok(field)
}

pub async fn change(
    cx: &mut Cx,
    id: CustomFieldId,
    Checked(change): Checked<CustomFieldChange>,
) -> Result<CustomField, Error> {
    store::lock(cx).await?;
    let before = store::find(cx, id).await?.ok_or(Error::NotFound)?;
    let mut after = before.clone();
    if let Some(given) = change.options {
        let mut invalid = Invalid::default();
        after.options = options(before.kind, &given, &mut invalid);
        invalid.ok()?;
    }
    after.name = change.name.unwrap_or(after.name);
    after.description = change.description.unwrap_or(after.description);
    after.required = change.required.unwrap_or(after.required);
    after.staff_only = change.staff_only.unwrap_or(after.staff_only);

    let mut changed = Changes::default();
    changed.note_words("name", &before.name, &after.name);
    changed.note_free_text("description", &before.description, &after.description);
    changed.note_words("options", &before.options, &after.options);
    changed.note("required", &before.required, &after.required);
    changed.note("staff_only", &before.staff_only, &after.staff_only);
    if !changed.is_empty() {
        store::update(cx, &after).await?;
        edited(cx, &after, changed).await?;
    }
    Ok(after)
}

/// Deletes a field, with what accounts have in it.
pub async fn delete(cx: &mut Cx, id: CustomFieldId) -> Result<(), Error> {
    store::lock(cx).await?;
    let field = store::find(cx, id).await?.ok_or(Error::NotFound)?;
    store::delete(cx, &field).await?;
    cx.emit(CustomFieldDeleted { custom_field_id: id, slug: field.slug }).await?;
    Ok(())
}

/// Puts the fields into this order, which names each of them once.
pub async fn reorder(cx: &mut Cx, ids: &[CustomFieldId]) -> Result<(), Error> {
    if ids.len() > MOST {
        let message = format!("There are never more than {MOST} custom fields.");
        return Err(Invalid::one("ids", "too_long", message).into());
    }
    store::lock(cx).await?;
    let fields = store::in_order(cx.db()).await?;
    let mut invalid = Invalid::default();
    for (index, id) in ids.iter().enumerate() {
        let name = format!("ids.{index}");
        if ids[..index].contains(id) {
            invalid.add(&name, "duplicate", "This field stands further up already.");
        } else if fields.iter().all(|field| field.id != *id) {
            let message = "There is no custom field with this id; GET /v1/admin/custom-fields lists them.";
            invalid.add(&name, "unknown", message);
        }
    }
    for missing in fields.iter().filter(|field| !ids.contains(&field.id)) {
        invalid.add("ids", "required", format!("{} ({}) is missing.", missing.slug, missing.id));
    }
    invalid.ok()?;
    for before in fields {
        let Some(index) = ids.iter().position(|id| *id == before.id) else { continue };
        let after = CustomField { position: place(index), ..before.clone() };
        let mut changed = Changes::default();
        changed.note("position", &before.position, &after.position);
        if !changed.is_empty() {
            store::set_position(cx, &after).await?;
            edited(cx, &after, changed).await?;
        }
    }
    Ok(())
}

fn place(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

async fn edited(cx: &mut Cx, field: &CustomField, changed: Changes) -> Result<(), db::Error> {
    let (custom_field_id, slug) = (field.id, field.slug.clone());
    cx.emit(CustomFieldEdited { custom_field_id, slug, changed: changed.into_list() }).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
