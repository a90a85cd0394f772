//! `/v1/admin/accounts/{id}/contacts`: people of an account who do not log in.

use axum::extract::State;
use frontdesk_core::{
    contacts::{self, Contact, ContactChange, EmailPreference, NewContact},
    ids::{AccountId, ContactId},
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

const TAG: &str = "Contacts";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::AccountsView), Some(Permission::AccountsEdit));
    routes
        .get(
            "/v1/admin/accounts/{id}/contacts",
            Op::staff("listContacts", TAG, "List an account's contacts, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/accounts/{id}/contacts",
            Op::staff("createContact", TAG, "Add a contact to an account", edit)
                .problems(&[Code::LimitReached]),
            create,
        )
        .get(
            "/v1/admin/accounts/{id}/contacts/{contact_id}",
            Op::staff("getContact", TAG, "One of an account's contacts", view),
            get,
        )
        .patch(
            "/v1/admin/accounts/{id}/contacts/{contact_id}",
            Op::staff("changeContact", TAG, "Change a contact", edit),
            change,
        )
        .delete(
            "/v1/admin/accounts/{id}/contacts/{contact_id}",
            Op::staff("deleteContact", TAG, "Delete a contact", edit),
            delete,
        )
}

impl From<contacts::Error> for Problem {
    fn from(error: contacts::Error) -> Self {
        use contacts::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NoSuchAccount => Self::with_detail(Code::NotFound, "There is no account with this id."),
            Error::NotFound => Self::with_detail(Code::NotFound, "The account has no contact with this id."),
            Error::TooMany => Self::with_detail(
                Code::LimitReached,
                format!(
                    "The account has {} contacts, the most it can have. Delete one first.",
                    contacts::MOST
                ),
            ),
            Error::Db(error) => error.into(),
        }
    }
}

/// Somebody of an account who does not log in.
#[derive(Debug, Serialize, JsonSchema)]
struct ContactView {
    id: ContactId,
    first_name: String,
    last_name: String,
    company_name: String,
    email: String,
    phone: String,
    /// Which mails they get.
    emails: Vec<EmailPreference>,
    created_at: Timestamp,
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        let Contact {
            id,
            account_id: _,
            first_name,
            last_name,
            company_name,
            email,
            phone,
            emails,
            created_at,
        } = contact;
        Self { id, first_name, last_name, company_name, email, phone, emails, created_at }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountPath {
    id: AccountId,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ContactPath {
    id: AccountId,
    contact_id: ContactId,
}

/// One of the three names at least.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateContact {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    company_name: String,
    email: String,
    #[serde(default)]
    phone: String,
    /// Which mails they get.
    #[serde(default)]
    emails: Vec<EmailPreference>,
}

/// What to change; what is absent stays. One of the three names is left at least.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeContact {
    first_name: Option<String>,
    last_name: Option<String>,
    company_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    emails: Option<Vec<EmailPreference>>,
}

impl From<CreateContact> for NewContact {
    fn from(body: CreateContact) -> Self {
        let CreateContact { first_name, last_name, company_name, email, phone, emails } = body;
        Self { first_name, last_name, company_name, email, phone, emails }
    }
}

impl From<ChangeContact> for ContactChange {
    fn from(body: ChangeContact) -> Self {
        let ChangeContact { first_name, last_name, company_name, email, phone, emails } = body;
        Self { first_name, last_name, company_name, email, phone, emails }
    }
}

async fn list(
    State(app): State<App>,
    Path(AccountPath { id }): Path<AccountPath>,
    list: List<Unfiltered>,
) -> Result<Json<Page<ContactView>>, Problem> {
    let page = contacts::list(&mut app.read().await?, id, &list.request).await?;
    Ok(Json(Page::of(page, ContactView::from)))
}

async fn get(
    State(app): State<App>,
    Path(ContactPath { id, contact_id }): Path<ContactPath>,
) -> Result<Json<ContactView>, Problem> {
    let contact = contacts::find(&mut app.read().await?, id, contact_id).await?;
    Ok(Json(contact.into()))
}

async fn create(
    State(app): State<App>,
    by: By,
    Path(AccountPath { id }): Path<AccountPath>,
    Json(body): Json<CreateContact>,
) -> Result<Created<ContactView>, Problem> {
    let new = NewContact::from(body).checked()?;
    let mut cx = by.begin(&app).await?;
    let contact = contacts::create(&mut cx, id, new).await?;
    cx.commit().await?;
    Ok(Created(contact.into()))
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(ContactPath { id, contact_id }): Path<ContactPath>,
    Json(body): Json<ChangeContact>,
) -> Result<Json<ContactView>, Problem> {
    let change = ContactChange::from(body).checked()?;
    let mut cx = by.begin(&app).await?;
    let contact = contacts::change(&mut cx, id, contact_id, change).await?;
    cx.commit().await?;
    Ok(Json(contact.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(ContactPath { id, contact_id }): Path<ContactPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    contacts::delete(&mut cx, id, contact_id).await?;
    cx.commit().await?;
    Ok(NoContent)
}
