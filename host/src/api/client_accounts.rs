//! `/v1/client/register`, `/v1/client/accounts`: registering, and the accounts that a user is on.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as ResponseDoc},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    accounts::{AccountPermission, AccountPermissionView, members},
    custom_fields::{self, CustomField},
    invalid::Invalid,
    logins::{self, Audience},
    secret::Password,
    users::{self, NewUser, Registration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account_profile::ProfileFields,
    client_session::OwnAccount,
    extract::{Created, Json},
    guard::{Guest, Member, refuse_banned},
    problem::{Code, Problem},
    routes::{Needs, Op, Routes},
};
use crate::App;

const TAG: &str = "Client accounts";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/v1/client/register",
            Op::public("register", TAG, "Register: a user, and the account they own")
                .emits(&[
                    "user.created",
                    "account.created",
                    "account.user_added",
                    "user.email_verification_sent",
                    "user.registered_again",
                ])
                .problems(&[
                    Code::TurnedOff,
                    Code::PasswordRefused,
                    Code::TooManyAttempts,
                    Code::Overloaded,
                    Code::AddressBanned,
                    Code::AddressNotAllowed,
                ]),
            register,
        )
        .get(
            "/v1/client/accounts",
            Op::client("listMyAccounts", TAG, "The accounts I am on, closed ones included", Needs::Nothing),
            list,
        )
        .post(
            "/v1/client/accounts",
            Op::client("createAccount", TAG, "Make a further account, which I own", Needs::Nothing)
                .not_as_another()
                .emits(&["account.created", "account.user_added"])
                .problems(&[Code::TurnedOff, Code::TooManyAttempts]),
            create,
        )
        .get(
            "/v1/public/registration",
            Op::public("getRegistrationForm", TAG, "What a form to register asks for, and whether one can"),
            form,
        )
        .get(
            "/v1/public/account-permissions",
            Op::public("listAccountPermissions", TAG, "What users may be permitted on an account"),
            permissions,
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Register {
    email: String,
    /// As many characters as the setting `password_min_users` says, 256 at most.
    password: Password,
    first_name: String,
    last_name: String,
    /// Of mails and front ends: `en`.
    language: Option<String>,
    /// The account; what is not said of its person is the user's own.
    #[serde(default)]
    account: ProfileFields,
}

/// 202, whether or not the address was known.
#[derive(Debug, Serialize, JsonSchema)]
struct RegistrationTaken {
    /// Where a mail is on its way to.
    email: String,
    /// What to do now.
    next: &'static str,
}

impl IntoResponse for RegistrationTaken {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self)).into_response()
    }
}

impl OperationOutput for RegistrationTaken {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<ResponseDoc> {
        Json::<Self>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        Self::operation_response(ctx, operation).into_iter().map(|answer| (Some(202), answer)).collect()
    }
}

async fn register(
    State(app): State<App>,
    guest: Guest,
    Json(body): Json<Register>,
) -> Result<RegistrationTaken, Problem> {
    let settings = app.settings();
    let user = NewUser {
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        language: body.language,
    };
    let (account, custom_fields) = body.account.parts();
    let registration = Registration { user, account, custom_fields }.checked()?;
    users::admit(&registration.user, &settings)?;
    refuse_banned(&mut app.read().await?, &settings, &guest, Audience::User).await?;
    let mut turn = app.hasher().turn().await?;
    let own_words = registration.user.own_words(&app.company());
    let least = logins::least_length(Audience::User, false, &settings);
    turn.check(body.password.clone(), least, own_words).await?;
    // Hashed whether or not the address is known: both take as long.
    let password = turn.hash(body.password).await;
    drop(turn);

    let email = registration.user.email.clone();
    let mut cx = app.begin(guest.caller).await?;
    users::register(&mut cx, registration, password, guest.countable, &settings).await?;
    cx.commit().await?;
    Ok(RegistrationTaken {
        email,
        next: "A mail is on its way. Log in with POST /v1/client/session; the mail's link verifies the address.",
    })
}

/// What a form to register asks for.
#[derive(Debug, Serialize, JsonSchema)]
struct RegistrationForm {
    /// Whether anybody can register.
    open: bool,
    /// Characters that a password has at least.
    password_min: u8,
    /// To choose from, the first one for whoever chooses none.
    languages: Vec<String>,
    /// What is asked beyond the usual, in its order.
    custom_fields: Vec<FormField>,
}

/// A custom field, as a form shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct FormField {
    slug: String,
    name: String,
    description: String,
    kind: custom_fields::Kind,
    /// What a select offers.
    options: Vec<String>,
    required: bool,
}

async fn form(State(app): State<App>) -> Result<Json<RegistrationForm>, Problem> {
    let fields = custom_fields::for_users(&mut app.read().await?).await?;
    let settings = app.settings();
    let field = |field: CustomField| FormField {
        slug: field.slug,
        name: field.name,
        description: field.description,
        kind: field.kind,
        options: field.options,
        required: field.required,
    };
    Ok(Json(RegistrationForm {
        open: settings.registration,
        password_min: settings.password_min_users,
        languages: settings.languages.clone(),
        custom_fields: fields.into_iter().map(field).collect(),
    }))
}

/// Every account that somebody is on.
#[derive(Debug, Serialize, JsonSchema)]
struct OwnAccounts {
    items: Vec<OwnAccount>,
}

async fn list(State(app): State<App>, member: Member) -> Result<Json<OwnAccounts>, Problem> {
    let found = members::of_user(&mut app.read().await?, member.session.user()).await?;
    Ok(Json(OwnAccounts { items: found.into_iter().map(OwnAccount::from).collect() }))
}

async fn create(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ProfileFields>,
) -> Result<Created<OwnAccount>, Problem> {
    let settings = app.settings();
    let mut invalid = Invalid::default();
    let (profile, custom_fields) = body.parts();
    let profile = profile.checked("", &mut invalid);
    invalid.ok()?;
    let user = member.session.user();
    let mut cx = member.begin(&app).await?;
    let made =
        users::further_account(&mut cx, user, profile, &custom_fields, member.countable, &settings).await?;
    let found = members::of_user(&mut cx, user).await?;
    cx.commit().await?;
    let made = found.into_iter().find(|membership| membership.account == made.id);
    let made = made.ok_or_else(|| Problem::internal("the account just made is gone"))?;
    Ok(Created(made.into()))
}

/// The thirteen, in their order.
#[derive(Debug, Serialize, JsonSchema)]
struct AccountPermissionList {
    items: Vec<AccountPermissionView>,
}

async fn permissions() -> Json<AccountPermissionList> {
    let items = AccountPermission::ALL.iter().map(|permission| permission.describe()).collect();
    Json(AccountPermissionList { items })
}
