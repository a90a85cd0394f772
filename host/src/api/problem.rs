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
    db,
    invalid::{FieldError, Invalid},
    password,
    roles::Permission,
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
    /// Wrong login or password; which, nobody learns.
    LoginRefused 401 "login_refused" "The login or the password is wrong";
    /// The caller's role lacks a permission; the member `permission` names it.
    PermissionRequired 403 "permission_required" "Your role does not permit this";
    /// The password must be given again, to `POST /v1/admin/session/confirm`.
    ConfirmationRequired 403 "confirmation_required" "Give your password again first";
    /// The password given to confirm was wrong.
    ConfirmationRefused 403 "confirmation_refused" "The password is wrong";
    /// Nobody gives what they do not have.
    BeyondOwnPermissions 403 "beyond_own_permissions" "That role permits more than your own";
    /// A change by cookie came from a page that is not ours.
    OriginRefused 403 "origin_refused" "The request came from another site";
    /// No such route, or no such thing.
    NotFound 404 "not_found" "There is nothing here";
    /// No invitation has this link or id.
    InvitationUnknown 404 "invitation_unknown" "There is no such invitation";
    /// The header Allow names the methods there are.
    MethodNotAllowed 405 "method_not_allowed" "This route has no such method";
    /// The invitation was accepted before.
    InvitationUsed 409 "invitation_used" "The invitation was accepted before";
    /// Somebody has that username.
    UsernameTaken 409 "username_taken" "Somebody has that username";
    /// A member of staff has that email address.
    EmailTaken 409 "email_taken" "A member of staff has that email address";
    /// Seven days are over.
    InvitationExpired 410 "invitation_expired" "The invitation has expired";
    /// A newer link took its place.
    InvitationReplaced 410 "invitation_replaced" "A newer link took the place of this one";
    /// Somebody withdrew it.
    InvitationCancelled 410 "invitation_cancelled" "The invitation was cancelled";
    /// The body is larger than `limits.body_kib`.
    TooLarge 413 "too_large" "The request is too large";
    /// Bodies are `application/json`.
    UnsupportedMediaType 415 "unsupported_media_type" "The body must be application/json";
    /// The member `errors` names each field.
    Invalid 422 "invalid" "Some fields are wrong";
    /// A password that the rules forbid; the detail says why.
    PasswordRefused 422 "password_refused" "The password cannot be taken";
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
    permission: Option<Permission>,
    errors: Vec<FieldError>,
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
        Self { code, detail: None, permission: None, errors: Vec::new(), cause: None }
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
        Self { permission: Some(permission), ..Self::with_detail(Code::PermissionRequired, detail) }
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
            permission: self.permission.map(Permission::slug),
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
            401 => drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            503 => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()))),
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
            db::Error::Failed(_) | db::Error::Migration(_) => Self::internal(error),
        }
    }
}

impl From<password::Overloaded> for Problem {
    fn from(overloaded: password::Overloaded) -> Self {
        Self { cause: Some(overloaded.to_string()), ..Self::new(Code::Overloaded) }
    }
}

impl From<password::Refused> for Problem {
    fn from(refused: password::Refused) -> Self {
        Self::with_detail(Code::PasswordRefused, refused.to_string())
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
