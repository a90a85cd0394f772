//! What accounts have in their custom fields: shown a page of accounts at a time, judged, set and cleared.

use std::collections::HashMap;

use jiff::civil;
use serde_json::{Map, Value};

use super::{CustomField, Kind, MOST, store};
use crate::{
    cx::{Cx, Reads},
    db,
    event::FieldChange,
    ids::{AccountId, CustomFieldId},
    invalid::{self, Invalid},
};

/// Longest text, in characters.
const LONGEST_TEXT: usize = 1000;

/// Who sets values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Editor {
    /// May leave out what is required, and not empty it.
    Staff,
    /// Fills in what is required, and knows nothing of what is for staff only.
    User,
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

/// What these accounts have in their fields, by slug; a field they have nothing in is left out, and so is an account that has
/// nothing in any.
pub async fn of_accounts(
    reads: &mut impl Reads,
    ids: &[AccountId],
    with_staff_only: bool,
) -> Result<HashMap<AccountId, Map<String, Value>>, db::Error> {
    let mut accounts: HashMap<AccountId, Map<String, Value>> = HashMap::new();
    if ids.is_empty() {
        return Ok(accounts);
    }
    for (account, slug, value) in store::values_of_accounts(reads.db(), ids, with_staff_only).await? {
        accounts.entry(account).or_default().insert(slug, read(&value));
    }
    Ok(accounts)
}

/// Sets what an account has in its fields, and answers what changed, each as `custom_fields.SLUG`: whoever calls writes it
/// down. `null` empties a field, what is not given stays. Of an account that is not new the caller holds the row.
pub async fn set(
    cx: &mut Cx,
    account: AccountId,
    given: &Map<String, Value>,
    by: Editor,
    is_new: bool,
) -> Result<Vec<FieldChange>, SetError> {
    let wanted = is_new && by == Editor::User;
    if given.is_empty() && !wanted {
        return Ok(Vec::new());
    }
    refuse_many(given)?;
    if !given.is_empty() {
        store::lock(cx).await?;
    }
    let fields = known_to(by, store::in_order(cx.db()).await?);
    let before: HashMap<_, _> = if is_new {
        HashMap::new()
    } else {
        store::values_of_account(cx, account).await?.into_iter().collect()
    };
    let changes = compare(&fields, &before, given, by, wanted)?;
    for (field, _, value) in &changes {
        match value {
            Some(value) => store::set_value(cx, account, field.id, &value.to_string()).await?,
            None => store::clear_value(cx, account, field.id).await?,
        }
    }
    let told = changes.into_iter();
    Ok(told.map(|(field, before, after)| FieldChange::personal(&named(&field.slug), before, after)).collect())
}

/// Whether a user can register with this: for whoever must not learn more from it than that.
pub(crate) async fn check_registration(
    reads: &mut impl Reads,
    given: &Map<String, Value>,
) -> Result<(), SetError> {
    refuse_many(given)?;
    let fields = known_to(Editor::User, store::in_order(reads.db()).await?);
    compare(&fields, &HashMap::new(), given, Editor::User, true)?;
    Ok(())
}

fn refuse_many(given: &Map<String, Value>) -> Result<(), Invalid> {
    if given.len() > MOST {
        let message = format!("There are never more than {MOST} custom fields.");
        return Err(Invalid::one("custom_fields", "too_long", message));
    }
    Ok(())
}

fn known_to(by: Editor, fields: Vec<CustomField>) -> Vec<CustomField> {
    fields.into_iter().filter(|field| by.knows(field)).collect()
}

/// A field, what is in it, and what is to be.
type Changed<'f> = (&'f CustomField, Option<Value>, Option<Value>);

/// What changes, or what is wrong with it. `wanted`: required fields must be given.
fn compare<'f>(
    fields: &'f [CustomField],
    before: &HashMap<CustomFieldId, String>,
    given: &Map<String, Value>,
    by: Editor,
    wanted: bool,
) -> Result<Vec<Changed<'f>>, Invalid> {
    let mut invalid = Invalid::default();
    for slug in given.keys().filter(|slug| fields.iter().all(|field| field.slug != **slug)) {
        invalid.add(&named(slug), "unknown", "There is no custom field with this slug.");
    }
    let mut changes = Vec::new();
    for field in fields {
        let stored = before.get(&field.id).map(|value| read(value));
        let Some(value) = given.get(&field.slug) else {
            if wanted && field.required {
                invalid.add(&named(&field.slug), "required", format!("{} is wanted.", field.name));
            }
            continue;
        };
        // What is there already is not judged anew: an option may have been taken away since.
        let value = if stored.as_ref() == Some(value) {
            stored.clone()
        } else {
            match judged(field, value) {
                Ok(value) => value,
                Err((code, message)) => {
                    invalid.add(&named(&field.slug), code, message);
                    continue;
                }
            }
        };
        if value.is_none() && field.required && (by == Editor::User || stored.is_some()) {
            invalid.add(&named(&field.slug), "required", format!("{} is wanted.", field.name));
        } else if value != stored {
            changes.push((field, stored, value));
        }
    }
    invalid.ok().map(|()| changes)
}

impl Editor {
    fn knows(self, field: &CustomField) -> bool {
        self == Self::Staff || !field.staff_only
    }
}

/// As the API names a value.
fn named(slug: &str) -> String {
    format!("custom_fields.{slug}")
}

fn read(stored: &str) -> Value {
    serde_json::from_str(stored).unwrap_or_default()
}

/// What is kept of a value; none if it says nothing.
fn judged(field: &CustomField, value: &Value) -> Result<Option<Value>, (&'static str, String)> {
    let malformed = |message: &str| Err(("malformed", message.to_owned()));
    if value.is_null() {
        return Ok(None);
    }
    match (field.kind, value) {
        (Kind::Text, Value::String(text)) => {
            let text = invalid::line(text, LONGEST_TEXT)?;
            Ok(Some(text).filter(|text| !text.is_empty()).map(Value::String))
        }
        (Kind::Text, _) => malformed("This is one line of text."),
        // JSON has no others than finite ones.
        (Kind::Number, Value::Number(number)) => Ok(Some(Value::Number(number.clone()))),
        (Kind::Number, _) => malformed("This is a number."),
        (Kind::Select, Value::String(text)) => match invalid::title(text) {
            Ok(text) if field.options.contains(&text) => Ok(Some(Value::String(text))),
            _ => malformed("This is one of the field's options, as it is written there."),
        },
        (Kind::Select, _) => malformed("This is one of the field's options, as it is written there."),
        (Kind::Tick, Value::Bool(ticked)) => Ok(ticked.then_some(Value::Bool(true))),
        (Kind::Tick, _) => malformed("This is true or false."),
        (Kind::Date, Value::String(text)) if is_full_date(text) => Ok(Some(Value::String(text.clone()))),
        (Kind::Date, _) => malformed("This is a day like 2026-11-22."),
    }
}

/// A day as in RFC 3339, section 5.6: `full-date`.
fn is_full_date(text: &str) -> bool {
    let shape = text.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    text.len() == 10 && shape && text.parse::<civil::Date>().is_ok()
}
