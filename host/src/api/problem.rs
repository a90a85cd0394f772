//! Every failure as an RFC 9457 problem document with a stable code.

use std::time::Duration;

use aide::{
    OperationOutput,
    openapi::{MediaType, Response as ResponseDoc, SchemaObject},
};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    accounts::{self, AccountPermission, AccountPermissions},
    authority, db,
    invalid::{FieldError, Invalid},
    limits, password,
    roles::Permission,
    sessions::Pending,
    users,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident $status:literal $code:literal $title:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[doc = $doc])* $variant),* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Code] = &[$(Self::$variant),*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    Malformed 400 "malformed" "The request cannot be read";
    /// No session, or one that is over.
    LoginRequired 401 "login_required" "Log in first";
    /// No such challenge, or one that was answered or is too old: log in again.
    ChallengeOver 401 "challenge_over" "The challenge is over";
    /// The second factor was wrong, or used before.
    CodeRefused 401 "code_refused" "The second factor is wrong";
    /// No such API credential, a wrong secret, or one that is over; which, nobody learns.
    CredentialRefused 401 "credential_refused" "The API credential is refused";
    /// Wrong login or password; which, nobody learns.
    LoginRefused 401 "login_refused" "The login or the password is wrong";
    /// The caller's role lacks a permission; the member `permission` names it.
    PermissionRequired 403 "permission_required" "You are not permitted to do this";
    /// The caller's role does not open that report; the detail says which ones it opens.
    ReportNotAllowed 403 "report_not_allowed" "Your role does not open this report";
    /// There is no such user on the account.
    NotOnAccount 404 "not_on_account" "The user is not on this account";
    /// Closed accounts are shown, and nothing is done for them until they are reopened.
    AccountClosed 409 "account_closed" "The account is closed";
    /// An invitation to that address is pending.
    AlreadyInvited 409 "already_invited" "This address is invited already";
    /// They act for the account already.
    OnAccountAlready 409 "on_account_already" "The user is on this account already";
    /// The owner may everything and stays, until an admin makes another user the owner.
    OwnerFixed 409 "owner_fixed" "The owner of an account is fixed";
    /// A user is deleted only when on no account.
    UserHasAccounts 409 "user_has_accounts" "The user is on an account";
    /// Only who was deleted can be erased: else they could wipe what they do.
    PersonPresent 409 "person_present" "Delete them first";
    /// What would be deleted is something else than what was shown.
    PreviewOutdated 409 "preview_outdated" "Look at what would be deleted first";
    /// The caller does not own the account.
    OwnerRequired 403 "owner_required" "Only the account's owner may do this";
    /// An admin who came in as a user wants to change how that user logs in, or who is on the account.
    LoginAsRefused 403 "login_as_refused" "Not while you are here as somebody else";
    /// No API role of the program's lists the operation, or programs never call it.
    OperationNotAllowed 403 "operation_not_allowed" "This program may not call this operation";
    /// Staff do not log in from there, or the API credential does not work from there: `staff_networks` or its `networks`
    /// say from where.
    AddressNotAllowed 403 "address_not_allowed" "This is not allowed from this address";
    /// Too many failed logins came from there, or somebody banned it by hand.
    AddressBanned 403 "address_banned" "This address is banned";
    /// The session may change its password, and nothing else.
    PasswordChangeRequired 403 "password_change_required" "Change your password first";
    /// The session may enrol a second factor, and nothing else.
    SecondFactorRequired 403 "second_factor_required" "Enrol a second factor first";
    /// The setting or the role wants a second factor, and this is the last one.
    SecondFactorNeeded 409 "second_factor_needed" "This second factor cannot be removed";
    /// A setting turned it off.
    TurnedOff 403 "turned_off" "This is turned off here";
    /// The password must be given again, to `POST /v1/admin/session/confirm`.
    ConfirmationRequired 403 "confirmation_required" "Give your password again first";
    /// The password given to confirm was wrong.
    ConfirmationRefused 403 "confirmation_refused" "The password is wrong";
    /// Nobody gives or takes what they do not have.
    BeyondOwnPermissions 403 "beyond_own_permissions" "That goes beyond your own permissions";
    /// A change by cookie, or without a login, came from a page that is not ours; or that page asked for a cookie.
    OriginRefused 403 "origin_refused" "The request came from another site";
    /// No such route, or no such thing.
    NotFound 404 "not_found" "There is nothing here";
    /// No invitation has this link or id.
    InvitationUnknown 404 "invitation_unknown" "There is no such invitation";
    /// The header Allow names the methods there are.
    MethodNotAllowed 405 "method_not_allowed" "This route has no such method";
    /// The invitation was accepted before.
    InvitationUsed 409 "invitation_used" "The invitation was accepted before";
    /// The session acts for no account, or for one that is closed or that the user is no longer on.
    AccountChoiceRequired 409 "account_choice_required" "Choose an account first";
    /// What is done to colleagues is not done to oneself.
    OwnLogin 409 "own_login" "This is your own login";
    /// It is the role that the caller has.
    OwnRole 409 "own_role" "This is your own role";
    /// What the full role permits is fixed, and it stays.
    FullRole 409 "full_role" "The full role stays as it is";
    /// Disabled and invited people count.
    RoleInUse 409 "role_in_use" "Somebody has this role";
    /// Some users have chosen it.
    QuestionInUse 409 "question_in_use" "Somebody has this security question";
    /// Roles, API roles, departments, groups of accounts, custom fields and security questions have names of their own.
    NameTaken 409 "name_taken" "The name is taken";
    /// Somebody who may everything must remain.
    LastAdministrator 409 "last_administrator" "This is the last full administrator";
    /// A credential without an API role could do nothing.
    ApiRoleRequired 409 "api_role_required" "An API role is wanted";
    /// Whoever it is to act for lacks the permission `api.access`.
    ApiAccessRequired 409 "api_access_required" "Their role does not permit to use the API";
    /// The credential got another secret at the same time, or while the one before still works.
    RotatedMeanwhile 409 "rotated_meanwhile" "It was rotated meanwhile";
    /// There are as many as there may be.
    LimitReached 409 "limit_reached" "There are too many already";
    /// Whoever it is about is disabled.
    LoginDisabled 409 "login_disabled" "They are disabled";
    /// The email address must be verified first.
    EmailUnverified 409 "email_unverified" "The email address is not verified";
    /// Nothing was begun that could be confirmed, or too long ago.
    NotBegun 409 "not_begun" "There is nothing to confirm";
    /// Browsers use security keys with a host name and https only.
    SecurityKeysUnavailable 409 "security_keys_unavailable" "Security keys do not work at this address";
    /// Somebody has that username.
    UsernameTaken 409 "username_taken" "Somebody has that username";
    /// Another member of staff, another user, or another department has that email address.
    EmailTaken 409 "email_taken" "The email address is taken";
    /// The link to set a password was used, or another one was; or it expired, or was never made.
    ResetLinkDead 410 "reset_link_dead" "The link is no longer good";
    /// A link that works once was used, is too old, or was never made.
    LinkDead 410 "link_dead" "The link is no longer good";
    /// Seven days are over.
    InvitationExpired 410 "invitation_expired" "The invitation has expired";
    /// A newer link took its place.
    InvitationReplaced 410 "invitation_replaced" "A newer link took the place of this one";
    /// Somebody withdrew it.
    InvitationCancelled 410 "invitation_cancelled" "The invitation was cancelled";
    /// The body is larger than `limits.body_kib`, or than 16 KiB before a login.
    TooLarge 413 "too_large" "The request is too large";
    /// Bodies are `application/json`; files of invitations are `text/csv`.
    UnsupportedMediaType 415 "unsupported_media_type" "The body has another type than is wanted";
    /// The member `errors` names each field.
    Invalid 422 "invalid" "Some fields are wrong";
    /// The answer to the security question was wrong; the detail says how many more can be given.
    AnswerRefused 422 "answer_refused" "The answer is wrong";
    /// A password that the rules forbid; the detail says why.
    PasswordRefused 422 "password_refused" "The password cannot be taken";
    /// Come back later; the header Retry-After says when.
    TooManyAttempts 429 "too_many_attempts" "Too many attempts";
    /// A fault of ours; the log has the cause under the request id.
    Internal 500 "internal" "Something went wrong on our side";
    /// More to do than can be done; the header Retry-After says when to come back.
    Overloaded 503 "overloaded" "Too busy at this moment";
    /// Others changed the same thing at the same time; nothing was kept.
    TryAgain 503 "try_again" "Try again";
}

/// A failure on its way out. The outermost layer adds the request id and writes it.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    permission: Option<&'static str>,
    /// What the user may on the account.
    allowed: Option<AccountPermissions>,
    errors: Vec<FieldError>,
    /// When to come back.
    retry_after: Option<Duration>,
    /// For the access log, never for the answer.
    cause: Option<String>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Document<'a> {
    /// Always `about:blank`: the code says it all.
    r#type: &'static str,
    /// The same for every problem of a code.
    title: &'static str,
    status: u16,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// Stable, for programs.
    code: &'static str,
    /// The permission that is missing, with `permission_required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'static str>,
    /// What the user may do on the account instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_permissions: Option<Vec<AccountPermission>>,
    /// The fields that were refused, with `invalid`.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schemars(default)]
    errors: &'a [FieldError],
    /// What the log knows this request by.
    request_id: &'a str,
}

const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Problem {
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            permission: None,
            allowed: None,
            errors: Vec::new(),
            retry_after: None,
            cause: None,
        }
    }

    pub fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(code) }
    }

    pub fn permission(permission: Permission) -> Self {
        let detail = format!(
            "This needs the permission {} ({}). Ask an administrator for a role that has it.",
            permission.slug(),
            permission.describe().label
        );
        let permission = Some(permission.slug());
        Self { permission, ..Self::with_detail(Code::PermissionRequired, detail) }
    }

    /// A user lacks a permission on the account.
    pub(super) fn account_permission(needed: AccountPermission, allowed: AccountPermissions) -> Self {
        let label = needed.describe().label;
        let detail = match allowed.iter().next() {
            Some(_) => {
                format!("This needs the permission {needed} ({label}) on the account. Its owner can give it.")
            }
            None => format!(
                "This needs the permission {needed} ({label}) on the account, and you may nothing there, or it is closed: \
                 choose another one, or ask its owner."
            ),
        };
        let (permission, allowed) = (Some(needed.as_str()), Some(allowed));
        Self { permission, allowed, ..Self::with_detail(Code::PermissionRequired, detail) }
    }

    pub(super) fn owner_required(allowed: AccountPermissions) -> Self {
        let detail = "Ask the owner of the account.";
        Self { allowed: Some(allowed), ..Self::with_detail(Code::OwnerRequired, detail) }
    }

    /// The session is restricted until this is done.
    pub(super) fn pending(pending: Pending, surface: &str) -> Self {
        let detail = match pending {
            Pending::ChangePassword => {
                format!("PUT {surface}/me/password, then go on with the token it answers.")
            }
            Pending::EnrolSecondFactor => format!(
                "POST {surface}/me/totp or {surface}/me/security-keys, confirm it, then go on with the token it answers."
            ),
            Pending::ChooseAccount => {
                format!("POST {surface}/session/account, then go on with the token it answers.")
            }
        };
        Self::with_detail(Code::of_pending(pending), detail)
    }

    pub(super) fn too_many(retry_after: Duration) -> Self {
        let detail = "Retry-After says in how many seconds to come back.";
        Self { retry_after: Some(retry_after), ..Self::with_detail(Code::TooManyAttempts, detail) }
    }

    pub(super) fn operation_not_allowed(id: &str) -> Self {
        let detail = format!("No API role of this credential lists {id}.");
        Self::with_detail(Code::OperationNotAllowed, detail)
    }

    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let detail = "Tell whoever runs this service the request_id; its log has the cause.";
        Self { cause: Some(cause.to_string()), ..Self::with_detail(Code::Internal, detail) }
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::with_detail(Code::MethodNotAllowed, "The header Allow names the methods there are.")
    }

    pub fn code(&self) -> Code {
        self.code
    }

    /// What is wrong and what to do, where the document itself does not go out.
    pub(super) fn sentence(&self) -> String {
        match self.errors.first() {
            Some(error) => error.message.clone(),
            None => self.detail.clone().unwrap_or_else(|| self.code.title().to_owned()),
        }
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer, once the request id is known.
    pub(super) fn write(&self, request_id: &str) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status(),
            detail: self.detail.as_deref(),
            code: self.code.name(),
            permission: self.permission,
            allowed_permissions: self.allowed.map(AccountPermissions::to_list),
            errors: &self.errors,
            request_id,
        };
        let body = serde_json::to_vec(&document).expect("a problem is plain data");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).expect("codes have valid statuses");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.code.status() {
            // RFC 9110, section 15.5.2: a 401 names the scheme.
            401 => {
                let schemes = match self.code {
                    Code::CredentialRefused => "Bearer, Basic realm=\"API credentials\", charset=\"UTF-8\"",
                    _ => "Bearer",
                };
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(schemes));
            }
            429 | 503 => {
                let wait = self.retry_after.unwrap_or(RETRY_AFTER);
                // Rounded up: whoever comes back then is not too early.
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                drop(headers.insert(
                    header::RETRY_AFTER,
                    HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)),
                ));
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Carries the problem to the outermost layer, which writes it.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).expect("codes have valid statuses");
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::TryAgain(cause) => {
                let detail = "Nothing was kept. Send the same request again.";
                Self { cause: Some(cause.to_string()), ..Self::with_detail(Code::TryAgain, detail) }
            }
            db::Error::Failed(_) | db::Error::Migration(_) | db::Error::MissingKey(_) => {
                Self::internal(error)
            }
        }
    }
}

impl From<password::Overloaded> for Problem {
    fn from(overloaded: password::Overloaded) -> Self {
        Self { cause: Some(overloaded.to_string()), ..Self::new(Code::Overloaded) }
    }
}

impl Code {
    pub(super) const fn of_pending(pending: Pending) -> Self {
        match pending {
            Pending::ChangePassword => Self::PasswordChangeRequired,
            Pending::EnrolSecondFactor => Self::SecondFactorRequired,
            Pending::ChooseAccount => Self::AccountChoiceRequired,
        }
    }
}

impl From<limits::Refused> for Problem {
    fn from(refused: limits::Refused) -> Self {
        match refused {
            limits::Refused::Banned { until } => {
                let detail = match until {
                    Some(until) => format!("Until {until}; an administrator can lift the ban earlier."),
                    None => "An administrator can lift the ban.".into(),
                };
                Self::with_detail(Code::AddressBanned, detail)
            }
            limits::Refused::NotAllowedFrom => Self::with_detail(
                Code::AddressNotAllowed,
                "Log in from one of the networks that are allowed.",
            ),
            limits::Refused::TooMany { retry_after } => Self::too_many(retry_after),
            limits::Refused::Db(error) => error.into(),
        }
    }
}

impl From<accounts::Error> for Problem {
    fn from(error: accounts::Error) -> Self {
        use accounts::Error;
        match error {
            Error::Unknown => Self::with_detail(Code::NotFound, "There is no account with this id."),
            Error::Closed => Self::with_detail(
                Code::AccountClosed,
                "An administrator can reopen it: POST /v1/admin/accounts/{id}/reopen.",
            ),
            Error::NotOnAccount => Self::with_detail(
                Code::NotOnAccount,
                "The account's users are listed under it; invite them, or put them on it, first.",
            ),
            Error::OnAccountAlready => Self::with_detail(
                Code::OnAccountAlready,
                "What they may do there is changed with PATCH on the account's user.",
            ),
            Error::OwnerFixed => Self::with_detail(
                Code::OwnerFixed,
                "An administrator makes another user the owner first: PUT /v1/admin/accounts/{id}/owner.",
            ),
            Error::OwnerOnly => {
                Self::with_detail(Code::OwnerRequired, "Another user has become the account's owner.")
            }
            Error::NotPermitted => {
                Self::with_detail(Code::PermissionRequired, "The permission was taken away in this moment.")
            }
            Error::UserDisabled => {
                Self::with_detail(Code::LoginDisabled, "Enable the user first, or choose another one.")
            }
            Error::EmailUnverified => Self::with_detail(
                Code::EmailUnverified,
                "Nobody has proved whose this address is: give user_id if you know who it is, or send an invitation.",
            ),
            Error::PreviewOutdated => Self::with_detail(
                Code::PreviewOutdated,
                "GET …/deletion says what goes with the account; give its preview to DELETE.",
            ),
            Error::TurnedOff => Self::with_detail(
                Code::TurnedOff,
                "The setting client_user_management is off: staff look after who is on an account.",
            ),
            Error::Invalid(invalid) => invalid.into(),
            Error::User(error) => error.into(),
            Error::Db(error) => error.into(),
        }
    }
}

impl From<users::Error> for Problem {
    fn from(error: users::Error) -> Self {
        use users::Error;
        match error {
            Error::Unknown => Self::with_detail(Code::NotFound, "There is no such user."),
            Error::Invalid(invalid) => invalid.into(),
            Error::EmailTaken => {
                Self::with_detail(Code::EmailTaken, "Every user has an address of their own.")
            }
            Error::HasAccounts => Self::with_detail(
                Code::UserHasAccounts,
                "Take them off their accounts first; where they are the owner, make another user the owner.",
            ),
            Error::TurnedOff => Self::with_detail(Code::TurnedOff, "The setting registration is off."),
            Error::TooMany { retry_after } => Self::too_many(retry_after),
            Error::LinkDead => Self::with_detail(
                Code::LinkDead,
                "It works once, for an hour, for the address it was sent to and whoever is logged in with that. Ask for a new one.",
            ),
            Error::Db(error) => error.into(),
        }
    }
}

impl From<password::Refused> for Problem {
    fn from(refused: password::Refused) -> Self {
        Self::with_detail(Code::PasswordRefused, refused.to_string())
    }
}

impl From<authority::Refused> for Problem {
    fn from(refused: authority::Refused) -> Self {
        match refused {
            authority::Refused::Beyond => Self::with_detail(
                Code::BeyondOwnPermissions,
                "It permits what you may not yourself: ask somebody whose role permits it.",
            ),
            authority::Refused::BeyondProgram => Self::with_detail(
                Code::BeyondOwnPermissions,
                "A program hands on no more than it has: its operations, from its networks, until its expiry, at its rate.",
            ),
            authority::Refused::OwnLogin => Self::with_detail(
                Code::OwnLogin,
                "What is done to colleagues is not done to oneself; /v1/admin/me is for one's own.",
            ),
            authority::Refused::OwnRole => Self::with_detail(
                Code::OwnRole,
                "Nobody changes the role they have: ask somebody with another one.",
            ),
            authority::Refused::Gone => Self::new(Code::LoginRequired),
            authority::Refused::Db(error) => error.into(),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self {
            errors: invalid.0,
            ..Self::with_detail(Code::Invalid, "errors says which, and what is wanted.")
        }
    }
}

/// How every failure looks in the API's description.
pub(super) fn response() -> ResponseDoc {
    let mut schemas = SchemaGenerator::new(
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true),
    );
    let json_schema = schemas.root_schema_for::<Document<'_>>();
    let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
    ResponseDoc {
        description: "A problem document (RFC 9457); `code` says which.".into(),
        content: [("application/problem+json".into(), MediaType { schema, ..MediaType::default() })].into(),
        ..ResponseDoc::default()
    }
}

// The route table describes which failures an operation has.
impl OperationOutput for Problem {
    type Inner = Self;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_documented() {
        let reference = include_str!("../../README.md");
        for (index, code) in Code::ALL.iter().enumerate() {
            assert!(Code::ALL[..index].iter().all(|other| other.name() != code.name()), "{code:?} twice");
            assert!(
                reference.contains(&format!("`{}`", code.name())),
                "host/README.md does not explain {code:?}"
            );
        }
    }
}
