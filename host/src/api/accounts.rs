//! `/v1/admin/accounts`: the billable parties, as staff see and keep them. Who is on one stands in
//! [`super::account_users`].

use axum::extract::State;
use frontdesk_core::{
    accounts::{
        self, Account, AccountChange, Deletion, Filter, Kind, NewAccount, Owner, ProfileChange, Status,
    },
    custom_fields,
    cx::Reads,
    ids::{AccountGroupId, AccountId, UserId},
    invalid::Invalid,
    roles::Permission,
    time::Timestamp,
    users::{self, NewUser},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    account_profile::{AddressFields, CustomValues, ProfileFields, ProfileView},
    extract::{Created, Json, NoContent, Path, Query, present},
    guard::By,
    page::{List, Page},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Accounts";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::AccountsView), Some(Permission::AccountsEdit));
    let delete_ = Some(Permission::AccountsDelete);
    routes
        .get(
            "/v1/admin/accounts",
            Op::staff("listAccounts", TAG, "List accounts, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/accounts",
            Op::staff("openAccount", TAG, "Make an account, for an existing user or a new one", edit)
                .emits(&[
                    "user.created",
                    "account.created",
                    "account.user_added",
                    "user.password_reset_requested",
                ])
                .problems(&[Code::EmailTaken, Code::LoginDisabled]),
            create,
        )
        .get("/v1/admin/accounts/{id}", Op::staff("getAccount", TAG, "One account", view), get)
        .patch(
            "/v1/admin/accounts/{id}",
            Op::staff("changeAccount", TAG, "Change an account", edit)
                .emits(&["account.edited"])
                .problems(&[Code::AccountClosed]),
            change,
        )
        .post(
            "/v1/admin/accounts/{id}/close",
            Op::staff("closeAccount", TAG, "Close an account: nobody acts for it any more", edit)
                .confirmed()
                .emits(&["account.closed"]),
            close,
        )
        .post(
            "/v1/admin/accounts/{id}/reopen",
            Op::staff("reopenAccount", TAG, "Open a closed account again", edit)
                .confirmed()
                .emits(&["account.reopened"]),
            reopen,
        )
        .get(
            "/v1/admin/accounts/{id}/deletion",
            Op::staff(
                "previewAccountDeletion",
                TAG,
                "What would be deleted together with an account",
                delete_,
            ),
            preview,
        )
        .delete(
            "/v1/admin/accounts/{id}",
            Op::staff("deleteAccount", TAG, "Delete an account for good, after its preview", delete_)
                .confirmed()
                .emits(&["account.deleted"])
                .problems(&[Code::PreviewOutdated]),
            delete,
        )
}

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountView {
    id: AccountId,
    #[serde(flatten)]
    profile: ProfileView,
    status: Status,
    group: Option<GroupName>,
    /// What is filled in.
    custom_fields: CustomValues,
    owner_id: UserId,
    created_at: Timestamp,
}

/// An account with what only staff see.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AccountDetails {
    #[serde(flatten)]
    account: AccountView,
    notes: String,
    /// The new owner's link to choose a password. Only in the answer that made it: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct GroupName {
    id: AccountGroupId,
    name: String,
}

impl AccountView {
    fn new(account: Account, custom_fields: Option<Map<String, Value>>) -> Self {
        let group = account.group_id.zip(account.group_name);
        Self {
            id: account.id,
            profile: account.profile.into(),
            status: account.status,
            group: group.map(|(id, name)| GroupName { id, name }),
            custom_fields: CustomValues(custom_fields.unwrap_or_default()),
            owner_id: account.owner_id,
            created_at: account.created_at,
        }
    }
}

impl AccountDetails {
    pub(super) async fn read(reads: &mut impl Reads, account: Account) -> Result<Self, Problem> {
        let fields = custom_fields::of_accounts(reads, &[account.id], true).await?.remove(&account.id);
        Ok(Self { notes: account.notes.clone(), account: AccountView::new(account, fields), link: None })
    }
}

/// A body that holds what is known of an account, beside other fields.
macro_rules! with_profile {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        $vis struct $name {
            kind: Option<Kind>,
            /// The company's or the person's, as invoices show it; the person's without it.
            name: Option<String>,
            /// Who to speak to.
            first_name: Option<String>,
            last_name: Option<String>,
            email: Option<String>,
            phone: Option<String>,
            address: Option<AddressFields>,
            tax_id: Option<String>,
            /// ISO 4217: `EUR`.
            currency: Option<String>,
            $($(#[$field_meta])* $field: $type,)*
        }

        impl $name {
            /// What is given of the account, taken out of the body.
            fn profile(&mut self) -> ProfileChange {
                let fields = ProfileFields {
                    kind: self.kind.take(),
                    name: self.name.take(),
                    first_name: self.first_name.take(),
                    last_name: self.last_name.take(),
                    email: self.email.take(),
                    phone: self.phone.take(),
                    address: self.address.take(),
                    tax_id: self.tax_id.take(),
                    currency: self.currency.take(),
                    custom_fields: CustomValues::default(),
                };
                fields.into()
            }
        }
    };
}

with_profile! {
    /// An account to make: for `owner_user_id`, or for a new user with its `first_name`, `last_name` and `email`.
    struct OpenAccount {
        group_id: Option<AccountGroupId>,
        /// Plain text, 20,000 characters at most; for staff only.
        #[serde(default)]
        notes: String,
        /// By slug; GET /v1/admin/custom-fields lists what there is.
        #[serde(default)]
        custom_fields: CustomValues,
        /// Whose it is. What is not said of the account's person is theirs.
        owner_user_id: Option<UserId>,
        /// Of a new owner; the first of the setting `languages` without it.
        language: Option<String>,
    }
}

with_profile! {
    /// What to change; what is left out stays.
    struct ChangeAccount {
        /// null: none.
        #[serde(default, deserialize_with = "present")]
        group_id: Option<Option<AccountGroupId>>,
        /// Plain text, 20,000 characters at most; for staff only.
        notes: Option<String>,
        /// `active` or `inactive`.
        status: Option<Status>,
        /// By slug; null empties a field.
        #[serde(default)]
        custom_fields: CustomValues,
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AccountList {
    /// All three without it.
    status: Option<Status>,
    group: Option<AccountGroupId>,
    /// Who is on them.
    user: Option<UserId>,
    /// Words that must each occur in the names, the address of mail, the tax id or the phone number; eight at most count.
    /// 200 characters at most.
    search: Option<String>,
}

async fn list(State(app): State<App>, list: List<AccountList>) -> Result<Json<Page<AccountView>>, Problem> {
    let AccountList { status, group, user, search } = list.filter;
    let filter = Filter { status, group, user, search };
    filter.check()?;
    let mut view = app.read().await?;
    let page = accounts::list(&mut view, &filter, &list.request).await?;
    let ids: Vec<_> = page.items.iter().map(|account| account.id).collect();
    let mut fields = custom_fields::of_accounts(&mut view, &ids, true).await?;
    Ok(Json(Page::of(page, |account| {
        let of = fields.remove(&account.id);
        AccountView::new(account, of)
    })))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountPath {
    id: AccountId,
}

async fn get(
    State(app): State<App>,
    Path(AccountPath { id }): Path<AccountPath>,
) -> Result<Json<AccountDetails>, Problem> {
    let mut view = app.read().await?;
    let found = accounts::find(&mut view, id).await?.ok_or(accounts::Error::Unknown)?;
    Ok(Json(AccountDetails::read(&mut view, found).await?))
}

impl OpenAccount {
    /// Whose account it is to be, and the account; every field is checked.
    fn checked(mut self) -> Result<(Owner, NewAccount), Invalid> {
        let mut invalid = Invalid::default();
        let mut profile = self.profile();
        let owner = match self.owner_user_id {
            Some(id) => {
                if self.language.is_some() {
                    invalid.add("language", "fixed", "The owner has one already.");
                }
                Owner::Existing(id)
            }
            None => {
                let mut required = |field: &str, given: &mut Option<String>| {
                    if given.is_none() {
                        invalid.add(
                            field,
                            "required",
                            "A new owner needs it; an existing one is named by owner_user_id.",
                        );
                    }
                    given.take().unwrap_or_default()
                };
                let new = NewUser {
                    email: required("email", &mut profile.email),
                    first_name: required("first_name", &mut profile.first_name),
                    last_name: required("last_name", &mut profile.last_name),
                    language: self.language,
                };
                // What is missing is said once.
                invalid.ok()?;
                invalid = Invalid::default();
                Owner::New(new.checked("", &mut invalid))
            }
        };
        let CustomValues(custom_fields) = self.custom_fields;
        let new = NewAccount { profile, group_id: self.group_id, notes: self.notes, custom_fields };
        let new = new.checked("", &mut invalid);
        invalid.ok().map(|()| (owner, new))
    }
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<OpenAccount>,
) -> Result<Created<AccountDetails>, Problem> {
    let (owner, new) = body.checked()?;
    let mut cx = by.begin(&app).await?;
    let (account, token) =
        accounts::create(&mut cx, owner, new, &app.settings()).await.map_err(owner_refused)?;
    let details = AccountDetails::read(&mut cx, account).await?;
    cx.commit().await?;
    let link = token.map(|token| app.password_reset_link(&token));
    Ok(Created(AccountDetails { link, ..details }))
}

/// Whom the body names is no part of the path.
fn owner_refused(error: accounts::Error) -> Problem {
    match error {
        accounts::Error::User(users::Error::Unknown) => {
            Invalid::one("owner_user_id", "unknown", "There is no user with this id.").into()
        }
        accounts::Error::User(users::Error::EmailTaken) => Problem::with_detail(
            Code::EmailTaken,
            "A user has this address. To make the account theirs, give owner_user_id; GET /v1/admin/users?search= finds it.",
        ),
        error => error.into(),
    }
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(AccountPath { id }): Path<AccountPath>,
    Json(mut body): Json<ChangeAccount>,
) -> Result<Json<AccountDetails>, Problem> {
    let inactive = match body.status {
        None => None,
        Some(Status::Active) => Some(false),
        Some(Status::Inactive) => Some(true),
        Some(Status::Closed) => {
            return Err(Invalid::one("status", "fixed", "POST …/close closes an account.").into());
        }
    };
    let change = AccountChange {
        profile: body.profile(),
        group_id: body.group_id,
        notes: body.notes,
        inactive,
        custom_fields: body.custom_fields.0,
    };
    let change = change.checked()?;
    let mut cx = by.begin(&app).await?;
    let account = accounts::change(&mut cx, id, change).await?;
    let details = AccountDetails::read(&mut cx, account).await?;
    cx.commit().await?;
    Ok(Json(details))
}

/// Doing it twice does it once.
async fn close(
    State(app): State<App>,
    by: By,
    Path(AccountPath { id }): Path<AccountPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    accounts::close(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn reopen(
    State(app): State<App>,
    by: By,
    Path(AccountPath { id }): Path<AccountPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    accounts::reopen(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

/// What would be deleted together with an account.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountDeletion {
    /// Give it to `DELETE`: it says that this, and nothing else, was seen.
    preview: String,
    name: String,
    /// Who is on the account. They stay users.
    users: Vec<UserId>,
    /// Those of them who are on no other one.
    users_without_account: Vec<UserId>,
    contacts: i64,
    open_invitations: i64,
}

impl From<Deletion> for AccountDeletion {
    fn from(deletion: Deletion) -> Self {
        let preview = deletion.seen();
        let Deletion { account: _, name, users, users_without_account, contacts, open_invitations } =
            deletion;
        Self { preview, name, users, users_without_account, contacts, open_invitations }
    }
}

async fn preview(
    State(app): State<App>,
    Path(AccountPath { id }): Path<AccountPath>,
) -> Result<Json<AccountDeletion>, Problem> {
    Ok(Json(accounts::deletion(&mut app.read().await?, id).await?.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteAccount {
    /// What `GET …/deletion` answered.
    preview: String,
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(AccountPath { id }): Path<AccountPath>,
    Query(DeleteAccount { preview }): Query<DeleteAccount>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    accounts::delete(&mut cx, id, &preview).await?;
    cx.commit().await?;
    Ok(NoContent)
}
