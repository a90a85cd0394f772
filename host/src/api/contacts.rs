//! `/v1/admin/accounts/{id}/contacts` and `/v1/client/account/contacts`: people of an account who do not log in.

use axum::extract::State;
use frontdesk_core::{
    accounts::AccountPermission,
    contacts::{self, Contact, ContactChange, EmailPreference, NewContact},
    cx::Cx,
    ids::{AccountId, ContactId},
    invalid::Checked,
    roles::Permission,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path},
    guard::{By, OnAccount},
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Needs, Op, Routes},
};
use crate::App;

const TAG: &str = "Contacts";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::AccountsView), Some(Permission::AccountsEdit));
    let own = Needs::Permission(AccountPermission::Contacts);
    let routes = routes
        .get(
            "/v1/admin/accounts/{id}/contacts",
            Op::staff("listContacts", TAG, "List an account's contacts, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/accounts/{id}/contacts",
            Op::staff("createContact", TAG, "Add a contact to an account", edit)
                .emits(&["account.contact_created"])
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
            Op::staff("changeContact", TAG, "Change a contact", edit).emits(&["account.contact_edited"]),
            change,
        )
        .delete(
            "/v1/admin/accounts/{id}/contacts/{contact_id}",
            Op::staff("deleteContact", TAG, "Delete a contact", edit).emits(&["account.contact_deleted"]),
            delete,
        );
    routes
        .get(
            "/v1/client/account/contacts",
            Op::client("listMyContacts", TAG, "List my account's contacts, the newest first", own),
            list_own,
        )
        .post(
            "/v1/client/account/contacts",
            Op::client("createMyContact", TAG, "Add a contact to my account", own)
                .emits(&["account.contact_created"])
                .problems(&[Code::LimitReached]),
            create_own,
        )
        .get(
            "/v1/client/account/contacts/{contact_id}",
            Op::client("getMyContact", TAG, "One of my account's contacts", own),
            get_own,
        )
        .patch(
            "/v1/client/account/contacts/{contact_id}",
            Op::client("changeMyContact", TAG, "Change a contact of my account", own)
                .emits(&["account.contact_edited"]),
            change_own,
        )
        .delete(
            "/v1/client/account/contacts/{contact_id}",
            Op::client("deleteMyContact", TAG, "Delete a contact of my account", own)
                .emits(&["account.contact_deleted"]),
            delete_own,
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
struct ContactsPath {
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

#[derive(Debug, Deserialize, JsonSchema)]
struct OwnContactPath {
    contact_id: ContactId,
}

async fn list(
    State(app): State<App>,
    Path(ContactsPath { id }): Path<ContactsPath>,
    list: List<Unfiltered>,
) -> Result<Json<Page<ContactView>>, Problem> {
    listed(&app, id, &list).await
}

async fn list_own(
    State(app): State<App>,
    on: OnAccount,
    list: List<Unfiltered>,
) -> Result<Json<Page<ContactView>>, Problem> {
    listed(&app, on.account, &list).await
}

async fn listed(
    app: &App,
    account: AccountId,
    list: &List<Unfiltered>,
) -> Result<Json<Page<ContactView>>, Problem> {
    let page = contacts::list(&mut app.read().await?, account, &list.request).await?;
    Ok(Json(Page::of(page, ContactView::from)))
}

async fn get(
    State(app): State<App>,
    Path(ContactPath { id, contact_id }): Path<ContactPath>,
) -> Result<Json<ContactView>, Problem> {
    Ok(Json(contacts::find(&mut app.read().await?, id, contact_id).await?.into()))
}

async fn get_own(
    State(app): State<App>,
    on: OnAccount,
    Path(OwnContactPath { contact_id }): Path<OwnContactPath>,
) -> Result<Json<ContactView>, Problem> {
    Ok(Json(contacts::find(&mut app.read().await?, on.account, contact_id).await?.into()))
}

async fn create(
    State(app): State<App>,
    by: By,
    Path(ContactsPath { id }): Path<ContactsPath>,
    Json(body): Json<CreateContact>,
) -> Result<Created<ContactView>, Problem> {
    let new = NewContact::from(body).checked()?;
    created(by.begin(&app).await?, id, new).await
}

async fn create_own(
    State(app): State<App>,
    on: OnAccount,
    Json(body): Json<CreateContact>,
) -> Result<Created<ContactView>, Problem> {
    let new = NewContact::from(body).checked()?;
    created(on.begin(&app).await?, on.account, new).await
}

async fn created(
    mut cx: Cx,
    account: AccountId,
    new: Checked<NewContact>,
) -> Result<Created<ContactView>, Problem> {
    let contact = contacts::create(&mut cx, account, new).await?;
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
    changed(by.begin(&app).await?, id, contact_id, change).await
}

async fn change_own(
    State(app): State<App>,
    on: OnAccount,
    Path(OwnContactPath { contact_id }): Path<OwnContactPath>,
    Json(body): Json<ChangeContact>,
) -> Result<Json<ContactView>, Problem> {
    let change = ContactChange::from(body).checked()?;
    changed(on.begin(&app).await?, on.account, contact_id, change).await
}

async fn changed(
    mut cx: Cx,
    account: AccountId,
    id: ContactId,
    change: Checked<ContactChange>,
) -> Result<Json<ContactView>, Problem> {
    let contact = contacts::change(&mut cx, account, id, change).await?;
    cx.commit().await?;
    Ok(Json(contact.into()))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(ContactPath { id, contact_id }): Path<ContactPath>,
) -> Result<NoContent, Problem> {
    deleted(by.begin(&app).await?, id, contact_id).await
}

async fn delete_own(
    State(app): State<App>,
    on: OnAccount,
    Path(OwnContactPath { contact_id }): Path<OwnContactPath>,
) -> Result<NoContent, Problem> {
    deleted(on.begin(&app).await?, on.account, contact_id).await
}

async fn deleted(mut cx: Cx, account: AccountId, id: ContactId) -> Result<NoContent, Problem> {
    contacts::delete(&mut cx, account, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}
