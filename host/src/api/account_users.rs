//! `/v1/admin/accounts/{id}/users`: who is on an account, what they may do there, and whose it is; and coming in as one
//! of them.

use std::fmt;

use axum::extract::State;
use frontdesk_core::{
    accounts::{
        self, AccountPermission, AccountPermissionView, AccountPermissions, AccountUser, By as ByWhom,
        login_as::{self, LIFETIME},
        members::{self, Whom},
    },
    cx::{Cx, Reads as _},
    ids::{AccountId, UserId},
    invalid::Invalid,
    invitations::account::{self as invitations, NewAccountInvitation},
    logins::{self, Audience},
    recovery,
    roles::Permission,
    time::Timestamp,
    users::{self, NewUser},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Unexpected, Visitor},
};

use super::{
    account_invitations::AccountInvitationView,
    accounts::AccountDetails,
    extract::{Created, Json, NoContent, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Users of accounts";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, change_) = (Some(Permission::AccountsView), Some(Permission::AccountsUsers));
    routes
        .get(
            "/v1/admin/accounts/{id}/users",
            Op::staff("listAccountUsers", TAG, "Who is on an account, the one who came last first", view),
            list,
        )
        .post(
            "/v1/admin/accounts/{id}/users",
            Op::staff(
                "addAccountUser",
                TAG,
                "Invite somebody to an account, or put them on it at once",
                change_,
            )
            .confirmed()
            .emits(&[
                "invitation.created",
                "user.created",
                "account.user_added",
                "user.password_reset_requested",
            ])
            .problems(ADD_PROBLEMS),
            add,
        )
        .patch(
            "/v1/admin/accounts/{id}/users/{user_id}",
            Op::staff("changeAccountUser", TAG, "Change what a user may do on an account", change_)
                .confirmed()
                .emits(&["account.user_changed"])
                .problems(&[Code::NotOnAccount, Code::OwnerFixed]),
            change,
        )
        .delete(
            "/v1/admin/accounts/{id}/users/{user_id}",
            Op::staff("removeAccountUser", TAG, "Take a user off an account; they stay a user", change_)
                .confirmed()
                .emits(&["account.user_removed"])
                .problems(&[Code::NotOnAccount, Code::OwnerFixed]),
            remove,
        )
        .put(
            "/v1/admin/accounts/{id}/owner",
            Op::staff(
                "changeAccountOwner",
                TAG,
                "Make another of its users the owner; the one before stays, with every permission",
                Some(Permission::AccountsOwner),
            )
            .confirmed()
            .emits(&["account.owner_changed"])
            .problems(&[Code::NotOnAccount, Code::LoginDisabled]),
            give,
        )
        .get(
            "/v1/admin/account-permissions",
            Op::staff("getAccountPermissions", TAG, "What users can be permitted on an account", view),
            permissions,
        )
        .post(
            "/v1/admin/accounts/{id}/login-as",
            Op::staff(
                "logInAsUser",
                TAG,
                "A link to come in as a user of an account, good once and for a minute",
                Some(Permission::AccountsLoginAs),
            )
            .confirmed()
            .for_people()
            .emits(&["account.login_as_opened"])
            .problems(&[Code::NotOnAccount, Code::AccountClosed, Code::LoginDisabled]),
            log_in_as,
        )
}

const ADD_PROBLEMS: &[Code] = &[
    Code::AccountClosed,
    Code::OnAccountAlready,
    Code::EmailUnverified,
    Code::EmailTaken,
    Code::LoginDisabled,
    Code::LimitReached,
    Code::TooManyAttempts,
];

/// What somebody is to be allowed on an account: slugs, or `"all"`, which later versions' permissions are among.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed(pub AccountPermissions);

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AllOrSome;

        impl<'de> Visitor<'de> for AllOrSome {
            type Value = Allowed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", or a list of permissions")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Allowed, E> {
                match word {
                    "all" => Ok(Allowed(AccountPermissions::ALL)),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Allowed, A::Error> {
                let mut permissions = Vec::new();
                while let Some(permission) = list.next_element::<AccountPermission>()? {
                    if permissions.len() >= AccountPermission::ALL.len() {
                        return Err(A::Error::invalid_length(permissions.len() + 1, &"each permission once"));
                    }
                    permissions.push(permission);
                }
                Ok(Allowed(permissions.into_iter().collect()))
            }
        }

        from.deserialize_any(AllOrSome)
    }
}

impl JsonSchema for Allowed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AllowedPermissions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Permissions, or `all`, which those of later versions are among.",
            "oneOf": [
                { "type": "string", "const": "all" },
                {
                    "type": "array",
                    "maxItems": AccountPermission::ALL.len(),
                    "items": generator.subschema_for::<AccountPermission>(),
                },
            ],
        })
    }
}

/// A user on an account.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AccountUserView {
    id: UserId,
    email: String,
    /// Whether somebody proved whose the address is.
    email_verified: bool,
    first_name: String,
    last_name: String,
    disabled: bool,
    is_owner: bool,
    /// Also permits what later versions bring.
    everything: bool,
    permissions: Vec<AccountPermission>,
    /// Since when they are on it.
    since: Timestamp,
    last_login_at: Option<Timestamp>,
}

impl From<AccountUser> for AccountUserView {
    fn from(user: AccountUser) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified,
            first_name: user.first_name,
            last_name: user.last_name,
            disabled: user.disabled,
            is_owner: user.is_owner,
            everything: user.permissions.is_everything(),
            permissions: user.permissions.to_list(),
            since: user.since,
            last_login_at: user.last_login_at,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountUsersPath {
    id: AccountId,
}

async fn list(
    State(app): State<App>,
    Path(AccountUsersPath { id }): Path<AccountUsersPath>,
    list: List<Unfiltered>,
) -> Result<Json<Page<AccountUserView>>, Problem> {
    let mut view = app.read().await?;
    accounts::find(&mut view, id).await?.ok_or(accounts::Error::Unknown)?;
    let page = members::list(&mut view, id, &list.request).await?;
    Ok(Json(Page::of(page, AccountUserView::from)))
}

/// Whom to invite to an account, or to put on it. Exactly one of `user_id` and `email` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddAccountUser {
    user_id: Option<UserId>,
    /// Without an invitation: of a verified user, or of a new one.
    email: Option<String>,
    permissions: Allowed,
    /// Whether they are asked by a link that is mailed to them. Else they are on the account at once, and no mail goes out.
    #[serde(default = "yes")]
    send_invite: bool,
    /// Of a new user who is not invited.
    first_name: Option<String>,
    /// Of a new user who is not invited.
    last_name: Option<String>,
    /// Of the invitation's mail, or of a new user.
    language: Option<String>,
}

const fn yes() -> bool {
    true
}

/// The invitation, or whoever is on the account now.
#[derive(Debug, Serialize, JsonSchema)]
struct AddedAccountUser {
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<AccountInvitationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<AccountUserView>,
    /// A new user's link to choose a password, good for seven days. Only here: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// Whom a body names.
#[derive(Debug)]
enum Named {
    User(UserId),
    /// With the names of whoever has this address and is no user yet.
    Address(String, Option<(String, String)>),
}

impl AddAccountUser {
    fn named(&mut self) -> Result<Named, Invalid> {
        let names = (self.first_name.take(), self.last_name.take());
        if self.send_invite && (names.0.is_some() || names.1.is_some()) {
            let field = if names.0.is_some() { "first_name" } else { "last_name" };
            return Err(Invalid::one(field, "fixed", "Whoever is invited gives their name by themselves."));
        }
        match (self.user_id, self.email.take(), names) {
            (Some(id), None, (None, None)) => Ok(Named::User(id)),
            (Some(_), None, _) => {
                Err(Invalid::one("first_name", "fixed", "Names are for somebody who is no user yet."))
            }
            (None, Some(email), (Some(first), Some(last))) => Ok(Named::Address(email, Some((first, last)))),
            (None, Some(email), (None, None)) => Ok(Named::Address(email, None)),
            (None, Some(_), (first, _)) => {
                let missing = if first.is_some() { "last_name" } else { "first_name" };
                Err(Invalid::one(missing, "required", "A new user needs both names."))
            }
            (Some(_), Some(_), _) => {
                Err(Invalid::one("user_id", "fixed", "Give user_id or email, not both."))
            }
            (None, None, _) => Err(Invalid::one("user_id", "required", "Give user_id or email.")),
        }
    }
}

async fn add(
    State(app): State<App>,
    by: By,
    Path(AccountUsersPath { id }): Path<AccountUsersPath>,
    Json(mut body): Json<AddAccountUser>,
) -> Result<Created<AddedAccountUser>, Problem> {
    let named = body.named()?;
    let mut cx = by.begin(&app).await?;
    let added = if body.send_invite {
        invite(&app, &mut cx, &by, id, named, body).await?
    } else {
        associate(&app, &mut cx, id, named, body).await?
    };
    cx.commit().await?;
    Ok(Created(added))
}

async fn invite(
    app: &App,
    cx: &mut Cx,
    by: &By,
    account: AccountId,
    named: Named,
    body: AddAccountUser,
) -> Result<AddedAccountUser, Problem> {
    let email = match named {
        Named::Address(email, _) => email,
        Named::User(user) => {
            let found = users::find(cx, user).await?.ok_or_else(unknown_user)?;
            if found.disabled {
                return Err(accounts::Error::UserDisabled.into());
            }
            found.email
        }
    };
    let new = NewAccountInvitation { email, permissions: body.permissions.0, language: body.language };
    let by = ByWhom::Staff(&by.authority);
    let made = invitations::invite(cx, by, account, new.checked()?, &app.settings()).await?;
    let invitation = AccountInvitationView::new(made.invitation, cx.now()).with_link(app, &made.token);
    Ok(AddedAccountUser { invitation: Some(invitation), user: None, link: None })
}

async fn associate(
    app: &App,
    cx: &mut Cx,
    account: AccountId,
    named: Named,
    body: AddAccountUser,
) -> Result<AddedAccountUser, Problem> {
    let whom = match named {
        Named::User(id) => Whom::User(id),
        Named::Address(email, names) => address(cx, email, names, body.language).await?,
    };
    let settings = app.settings();
    let added = members::associate(cx, account, whom, body.permissions.0, &settings).await;
    let (user, new) = added.map_err(|error| match error {
        accounts::Error::User(users::Error::Unknown) => unknown_user(),
        error => error.into(),
    })?;
    let token = match &new {
        Some(login) => Some(recovery::set_password_link_unmailed(cx, login).await?),
        None => None,
    };
    let link = token.map(|token| app.password_reset_link(&token));
    Ok(AddedAccountUser { invitation: None, user: Some(user.into()), link })
}

/// The user with an address, or who is to be one.
async fn address(
    cx: &mut Cx,
    email: String,
    names: Option<(String, String)>,
    language: Option<String>,
) -> Result<Whom, Problem> {
    if logins::find_by_name(cx, Audience::User, &email).await?.is_some() {
        return Ok(Whom::Address(email));
    }
    let Some((first_name, last_name)) = names else {
        let message =
            "No user has this address. Give first_name and last_name to make one, or send an invitation.";
        return Err(Invalid::one("first_name", "required", message).into());
    };
    let mut invalid = Invalid::default();
    let new = NewUser { email, first_name, last_name, language }.checked("", &mut invalid);
    invalid.ok()?;
    Ok(Whom::New(new))
}

/// Whom the body names is no part of the path.
fn unknown_user() -> Problem {
    Invalid::one("user_id", "unknown", "There is no user with this id.").into()
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountUserPath {
    id: AccountId,
    user_id: UserId,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeAccountUser {
    /// All they may do from now on.
    pub permissions: Allowed,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(AccountUserPath { id, user_id }): Path<AccountUserPath>,
    Json(body): Json<ChangeAccountUser>,
) -> Result<Json<AccountUserView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let (who, settings) = (ByWhom::Staff(&by.authority), app.settings());
    let user = members::change(&mut cx, who, id, user_id, body.permissions.0, &settings).await?;
    cx.commit().await?;
    Ok(Json(user.into()))
}

async fn remove(
    State(app): State<App>,
    by: By,
    Path(AccountUserPath { id, user_id }): Path<AccountUserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    members::remove(&mut cx, ByWhom::Staff(&by.authority), id, user_id, &app.settings()).await?;
    cx.commit().await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeAccountOwner {
    /// Who is on the account already.
    user_id: UserId,
}

async fn give(
    State(app): State<App>,
    by: By,
    Path(AccountUsersPath { id }): Path<AccountUsersPath>,
    Json(body): Json<ChangeAccountOwner>,
) -> Result<Json<AccountDetails>, Problem> {
    let mut cx = by.begin(&app).await?;
    let account = members::give_to(&mut cx, id, body.user_id).await.map_err(|error| match error {
        accounts::Error::User(users::Error::Unknown) => accounts::Error::NotOnAccount,
        error => error,
    })?;
    let details = AccountDetails::read(&mut cx, account).await?;
    cx.commit().await?;
    Ok(Json(details))
}

/// What users can be permitted on an account.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountPermissionCatalogue {
    items: Vec<AccountPermissionView>,
}

async fn permissions() -> Json<AccountPermissionCatalogue> {
    let items = AccountPermission::ALL.iter().map(|permission| permission.describe()).collect();
    Json(AccountPermissionCatalogue { items })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogInAs {
    /// The owner without it.
    user_id: Option<UserId>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LogInAsLink {
    /// Good once. The session that comes of it ends with the one that asked.
    link: String,
    expires_at: Timestamp,
}

async fn log_in_as(
    State(app): State<App>,
    by: By,
    Path(AccountUsersPath { id }): Path<AccountUsersPath>,
    Json(body): Json<LogInAs>,
) -> Result<Json<LogInAsLink>, Problem> {
    let session = by.session()?;
    let mut cx = by.begin(&app).await?;
    let token = login_as::open(&mut cx, session, id, body.user_id).await?;
    let expires_at = cx.now().plus(LIFETIME);
    cx.commit().await?;
    Ok(Json(LogInAsLink { link: app.login_as_link(&token), expires_at }))
}
