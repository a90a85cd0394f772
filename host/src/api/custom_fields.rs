//! `/v1/admin/custom-fields`: what is asked of accounts beyond the usual, and in which order.

use axum::extract::State;
use frontdesk_core::{
    custom_fields::{self, CustomField, CustomFieldChange, Kind, NewCustomField, SetError},
    ids::CustomFieldId,
    roles::Permission,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Custom fields";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, setup) = (Some(Permission::AccountsView), Some(Permission::AccountsSetup));
    routes
        .get(
            "/v1/admin/custom-fields",
            Op::staff("listCustomFields", TAG, "List the custom fields of accounts in their order", view),
            list,
        )
        .post(
            "/v1/admin/custom-fields",
            Op::staff("createCustomField", TAG, "Make a custom field, the last in the order", setup)
                .emits(&["system.custom_field_created"])
                .problems(&[Code::NameTaken, Code::LimitReached]),
            create,
        )
        .put(
            "/v1/admin/custom-fields/order",
            Op::staff("orderCustomFields", TAG, "Put all custom fields into another order", setup)
                .emits(&["system.custom_field_edited"]),
            reorder,
        )
        .patch(
            "/v1/admin/custom-fields/{id}",
            Op::staff("changeCustomField", TAG, "Change a custom field; slug and kind stay", setup)
                .emits(&["system.custom_field_edited"]),
            change,
        )
        .delete(
            "/v1/admin/custom-fields/{id}",
            Op::staff(
                "deleteCustomField",
                TAG,
                "Delete a custom field, with what accounts have in it",
                setup,
            )
            .confirmed()
            .emits(&["system.custom_field_deleted"]),
            delete,
        )
}

impl From<custom_fields::Error> for Problem {
    fn from(error: custom_fields::Error) -> Self {
        use custom_fields::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Self::with_detail(
                Code::NotFound,
                "There is no custom field with this id; GET /v1/admin/custom-fields lists them.",
            ),
            Error::SlugTaken => {
                Self::with_detail(Code::NameTaken, "Another field has that slug. Choose another one.")
            }
            Error::TooMany => Self::with_detail(
                Code::LimitReached,
                format!(
                    "There are {} custom fields, the most there can be. Delete one first.",
                    custom_fields::MOST
                ),
            ),
            Error::Db(error) => error.into(),
        }
    }
}

impl From<SetError> for Problem {
    fn from(error: SetError) -> Self {
        match error {
            SetError::Invalid(invalid) => invalid.into(),
            SetError::Db(error) => error.into(),
        }
    }
}

/// A custom field of accounts.
#[derive(Debug, Serialize, JsonSchema)]
struct CustomFieldView {
    id: CustomFieldId,
    /// What it is called in `custom_fields` of accounts.
    slug: String,
    name: String,
    /// Plain text; lines end with a line feed.
    description: String,
    kind: Kind,
    /// What a select offers.
    options: Vec<String>,
    /// Users must fill it in when they register, and nobody empties it. Staff may leave it out of accounts they make.
    required: bool,
    /// Users neither see nor set it.
    staff_only: bool,
    /// Its place in the order, from 0.
    position: i64,
    created_at: Timestamp,
}

impl From<CustomField> for CustomFieldView {
    fn from(field: CustomField) -> Self {
        let CustomField {
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
        } = field;
        Self { id, slug, name, description, kind, options, required, staff_only, position, created_at }
    }
}

async fn list(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<CustomFieldView>>, Problem> {
    let page = custom_fields::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, CustomFieldView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CustomFieldPath {
    id: CustomFieldId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateCustomField {
    /// A lower case letter, then such letters, digits and underscores, 40 at most; no other field's, and fixed.
    slug: String,
    /// One line, 100 characters at most.
    name: String,
    /// Plain text, 2000 characters at most.
    #[serde(default)]
    description: String,
    /// Fixed.
    kind: Kind,
    /// Of a select, 1 to 100, each another one.
    #[serde(default)]
    options: Vec<String>,
    /// Users must fill it in when they register.
    #[serde(default)]
    required: bool,
    /// Users neither see nor set it.
    #[serde(default)]
    staff_only: bool,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateCustomField>,
) -> Result<Created<CustomFieldView>, Problem> {
    let CreateCustomField { slug, name, description, kind, options, required, staff_only } = body;
    let new = NewCustomField { slug, name, description, kind, options, required, staff_only }.checked()?;
    let mut cx = by.begin(&app).await?;
    let field = custom_fields::create(&mut cx, new).await?;
    cx.commit().await?;
    Ok(Created(field.into()))
}

/// What to change; what is absent stays. Values that an option was taken away of stay until they are changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeCustomField {
    name: Option<String>,
    description: Option<String>,
    options: Option<Vec<String>>,
    required: Option<bool>,
    staff_only: Option<bool>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(CustomFieldPath { id }): Path<CustomFieldPath>,
    Json(body): Json<ChangeCustomField>,
) -> Result<Json<CustomFieldView>, Problem> {
    let ChangeCustomField { name, description, options, required, staff_only } = body;
    let change = CustomFieldChange { name, description, options, required, staff_only }.checked()?;
    let mut cx = by.begin(&app).await?;
    let field = custom_fields::change(&mut cx, id, change).await?;
    cx.commit().await?;
    Ok(Json(field.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(CustomFieldPath { id }): Path<CustomFieldPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    custom_fields::delete(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderCustomFields {
    /// Every custom field once, the first one first.
    ids: Vec<CustomFieldId>,
}

async fn reorder(
    State(app): State<App>,
    by: By,
    Json(body): Json<OrderCustomFields>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    custom_fields::reorder(&mut cx, &body.ids).await?;
    cx.commit().await?;
    Ok(NoContent)
}
