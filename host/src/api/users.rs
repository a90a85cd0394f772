//! `/v1/admin/users`: who logs in on the client side, as staff see and help them.

use axum::extract::State;
use frontdesk_core::{
    accounts::{self, AccountPermission, Membership, members},
    cx::Reads,
    ids::{AccountId, SecurityQuestionId, UserId},
    invalid::Invalid,
    logins::{self, Audience, Login},
    outbox::RemovedBy,
    recovery,
    roles::Permission,
    second_factor,
    secret::Password,
    time::Timestamp,
    users::{self, Filter, NewUser, OwnChange, State as UserState, User, UserChange},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path},
    guard::By,
    me::judge_for_colleague,
    page::{List, Page},
    problem::{Code, Problem},
    routes::{Op, Routes},
    staff::gravatar,
};
use crate::App;

const TAG: &str = "Users";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, edit) = (Some(Permission::UsersView), Some(Permission::UsersEdit));
    let (help, disable) = (Some(Permission::UsersSecurity), Some(Permission::UsersDisable));
    let routes = routes
        .get("/v1/admin/users", Op::staff("listUsers", TAG, "List users, the newest first", view), list)
        .post(
            "/v1/admin/users",
            Op::staff("createUser", TAG, "Create a user, who is on no account yet", edit)
                .emits(&["user.created", "user.password_reset_requested"])
                .problems(&[Code::EmailTaken, Code::PasswordRefused, Code::Overloaded]),
            create,
        )
        .get("/v1/admin/users/{id}", Op::staff("getUser", TAG, "One user, with their accounts", view), get)
        .patch(
            "/v1/admin/users/{id}",
            Op::staff("changeUser", TAG, "Change a user's names, address or language", edit)
                .emits(&[
                    "user.edited",
                    "user.security_question_cleared",
                    "user.email_verified",
                    "user.email_verification_sent",
                    "user.password_reset_requested",
                ])
                .problems(&[Code::EmailTaken]),
            change,
        )
        .delete(
            "/v1/admin/users/{id}",
            Op::staff(
                "deleteUser",
                TAG,
                "Delete a user for good who is on no account",
                Some(Permission::UsersDelete),
            )
            .confirmed()
            .emits(&["user.deleted"])
            .problems(&[Code::UserHasAccounts]),
            delete,
        );
    routes
        .post(
            "/v1/admin/users/{id}/reset-password",
            Op::staff("resetUserPassword", TAG, "Mail a user a link to set their password", help)
                .confirmed()
                .emits(&["user.password_reset_requested"])
                .problems(&[Code::LoginDisabled]),
            reset_password,
        )
        .put(
            "/v1/admin/users/{id}/temporary-password",
            Op::staff(
                "setTemporaryPassword",
                TAG,
                "Set a password that the user changes at the next login; their sessions end",
                help,
            )
            .confirmed()
            .emits(&["user.password_changed"])
            .problems(&[Code::PasswordRefused, Code::Overloaded]),
            set_temporary_password,
        )
        .post(
            "/v1/admin/users/{id}/remove-second-factor",
            Op::staff(
                "removeUserSecondFactor",
                TAG,
                "Remove a user's second factor; their sessions end",
                help,
            )
            .confirmed()
            .emits(&["user.second_factor_removed"]),
            remove_second_factor,
        )
        .post(
            "/v1/admin/users/{id}/disable",
            Op::staff("disableUser", TAG, "Shut a user out; their sessions end", disable)
                .confirmed()
                .emits(&["user.disabled"]),
            disable_user,
        )
        .post(
            "/v1/admin/users/{id}/enable",
            Op::staff("enableUser", TAG, "Let a user in again", disable).confirmed().emits(&["user.enabled"]),
            enable,
        )
}

/// A user.
#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    id: UserId,
    email: String,
    /// Whether somebody proved whose the address is.
    email_verified: bool,
    first_name: String,
    last_name: String,
    /// For mails and front ends.
    language: String,
    avatar_url: String,
    /// False until they chose one by a link.
    has_password: bool,
    /// They choose another password at the next login.
    must_change_password: bool,
    has_second_factor: bool,
    /// What they are asked who forgot their password; null: nothing.
    security_question_id: Option<SecurityQuestionId>,
    disabled: bool,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// An account that a user is on.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountOfUser {
    id: AccountId,
    name: String,
    status: accounts::Status,
    is_owner: bool,
    /// Also permits what later versions bring.
    everything: bool,
    permissions: Vec<AccountPermission>,
    /// Since when they are on it.
    since: Timestamp,
}

/// A user with the accounts they are on.
#[derive(Debug, Serialize, JsonSchema)]
struct UserDetails {
    #[serde(flatten)]
    user: UserView,
    /// Closed ones included, the one they were put on first comes first.
    accounts: Vec<AccountOfUser>,
    /// The link to choose a password. Only in the answer that made it: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            avatar_url: gravatar(&user.email),
            id: user.id,
            email: user.email,
            email_verified: user.email_verified,
            first_name: user.first_name,
            last_name: user.last_name,
            language: user.language,
            has_password: user.has_password,
            must_change_password: user.must_change_password,
            has_second_factor: user.has_second_factor,
            security_question_id: user.question_id,
            disabled: user.disabled,
            last_login_at: user.last_login_at,
            created_at: user.created_at,
        }
    }
}

impl From<Membership> for AccountOfUser {
    fn from(membership: Membership) -> Self {
        Self {
            id: membership.account,
            name: membership.name,
            status: membership.status,
            is_owner: membership.is_owner,
            everything: membership.permissions.is_everything(),
            permissions: membership.permissions.to_list(),
            since: membership.since,
        }
    }
}

impl UserDetails {
    async fn read(reads: &mut impl Reads, user: User) -> Result<Self, Problem> {
        let accounts = members::of_user(reads, user.id).await?;
        Ok(Self {
            user: user.into(),
            accounts: accounts.into_iter().map(AccountOfUser::from).collect(),
            link: None,
        })
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UserList {
    /// Both without it.
    state: Option<UserState>,
    /// On which they are.
    account: Option<AccountId>,
    /// Words that must each occur in the address or the names; eight at most count. 200 characters at most.
    search: Option<String>,
}

async fn list(State(app): State<App>, list: List<UserList>) -> Result<Json<Page<UserView>>, Problem> {
    let UserList { state, account, search } = list.filter;
    let filter = Filter { state, account, search };
    filter.check()?;
    let page = users::list(&mut app.read().await?, &filter, &list.request).await?;
    Ok(Json(Page::of(page, UserView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UserPath {
    id: UserId,
}

async fn get(
    State(app): State<App>,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<Json<UserDetails>, Problem> {
    let mut view = app.read().await?;
    let found = users::find(&mut view, id).await?.ok_or(users::Error::Unknown)?;
    Ok(Json(UserDetails::read(&mut view, found).await?))
}

/// A user to create.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    email: String,
    first_name: String,
    last_name: String,
    /// The first of the setting `languages` without it.
    language: Option<String>,
    /// They change it at the first login. Without it they are mailed a link to choose one, which the answer has, too.
    password: Option<Password>,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateUser>,
) -> Result<Created<UserDetails>, Problem> {
    let CreateUser { email, first_name, last_name, language, password } = body;
    let mut invalid = Invalid::default();
    let new = NewUser { email, first_name, last_name, language }.checked("", &mut invalid);
    invalid.ok()?;
    if logins::email_exists(&mut app.read().await?, Audience::User, &new.email).await? {
        return Err(users::Error::EmailTaken.into());
    }
    let settings = app.settings();
    let password = match password {
        Some(password) => {
            let mut turn = app.hasher().turn().await?;
            let least = logins::least_length(Audience::User, false, &settings);
            turn.check(password.clone(), least, new.own_words(&app.company())).await?;
            Some(turn.hash(password).await)
        }
        None => None,
    };

    let mut cx = by.begin(&app).await?;
    let (user, token) = users::create_for(&mut cx, new, password, &settings).await?;
    let details = UserDetails::read(&mut cx, user).await?;
    cx.commit().await?;
    Ok(Created(UserDetails { link: token.map(|token| app.password_reset_link(&token)), ..details }))
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeUser {
    /// The address before is told, and the new one asked to prove itself.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    language: Option<String>,
    /// Where somebody knows whose the address is.
    email_verified: Option<bool>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
    Json(body): Json<ChangeUser>,
) -> Result<Json<UserDetails>, Problem> {
    let ChangeUser { email, first_name, last_name, language, email_verified } = body;
    let own = OwnChange { email, first_name, last_name, language };
    // Whoever sets where links go can come in by one.
    let opens_up = own.email.is_some() || email_verified.is_some();
    let change = UserChange { own, email_verified }.checked()?;
    let mut cx = by.begin(&app).await?;
    if opens_up {
        by.needs_also(&mut cx, Permission::UsersSecurity).await?;
    }
    let user = users::change(&mut cx, id, change).await?;
    let details = UserDetails::read(&mut cx, user).await?;
    cx.commit().await?;
    Ok(Json(details))
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    users::delete(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn reset_password(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    let login = users::locked(&mut cx, id).await?;
    if login.disabled {
        return Err(Problem::with_detail(
            Code::LoginDisabled,
            "A link would be dead until they are enabled again.",
        ));
    }
    // By mail alone: whoever helps does not come in by it.
    match login.password_hash {
        Some(_) => recovery::link(&mut cx, &login).await?,
        None => recovery::set_password_link(&mut cx, &login, None, false).await?,
    };
    cx.commit().await?;
    Ok(NoContent)
}

/// A password that somebody else knows, for a short while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TemporaryPassword {
    /// As many characters as the setting `password_min_users` says, 256 at most.
    password: Password,
}

async fn set_temporary_password(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
    Json(body): Json<TemporaryPassword>,
) -> Result<NoContent, Problem> {
    let mut view = app.read().await?;
    let login = login_of(&mut view, id).await?;
    let has_second_factor = second_factor::is_enrolled(&mut view, login.id).await?;
    drop(view);
    let new = judge_for_colleague(&app, &login, Vec::new(), has_second_factor, body.password).await?;

    let mut cx = by.begin(&app).await?;
    users::set_temporary_password(&mut cx, id, new).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn login_of(reads: &mut impl Reads, id: UserId) -> Result<Login, Problem> {
    let found = logins::find(reads, id).await?.filter(|login| login.audience == Audience::User);
    Ok(found.ok_or(users::Error::Unknown)?)
}

async fn remove_second_factor(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    let login = users::locked(&mut cx, id).await?;
    if !second_factor::remove_all(&mut cx, &login, RemovedBy::Colleague).await? {
        return Err(Problem::with_detail(Code::NotFound, "They have no second factor."));
    }
    cx.commit().await?;
    Ok(NoContent)
}

/// Doing it twice does it once.
async fn disable_user(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    users::disable(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn enable(
    State(app): State<App>,
    by: By,
    Path(UserPath { id }): Path<UserPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    users::enable(&mut cx, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}
