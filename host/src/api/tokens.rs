//! Sessions' tokens on their way out: in the body for programs, in a cookie for browsers.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    logins::Audience,
    sessions::{Pending, Started},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    guard::{Member, cookie_of, same_origin},
    problem::{Code, Problem},
    staff::StaffView,
};
use crate::App;

/// How the session's token travels.
#[derive(Clone, Copy, Debug)]
pub(super) enum SessionKind {
    Token,
    Cookie(Audience),
}

/// How the session's token is to travel, as a login asks for it. [`Self::for_caller`] says whether it may.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SessionKind")]
pub(super) enum Wanted {
    /// In the answer, for programs and for front ends of other origins.
    #[default]
    Token,
    /// In a cookie, for pages of this service.
    Cookie,
}

impl Wanted {
    /// What a caller with these `headers` gets. A page of another origin gets no cookie, listed or not: it could not use it
    /// for any change, and would have logged its visitor in to our own pages unasked.
    pub(super) fn for_caller(
        self,
        app: &App,
        headers: &HeaderMap,
        audience: Audience,
    ) -> Result<SessionKind, Problem> {
        let ours = app.public_url().origin();
        match self {
            Self::Token => Ok(SessionKind::Token),
            Self::Cookie if !headers.contains_key(header::ORIGIN) || same_origin(headers, &ours) => {
                Ok(SessionKind::Cookie(audience))
            }
            Self::Cookie => {
                let detail = format!(
                    "A session by cookie belongs to the pages of {ours}. Ask for \"session\": \"token\", and send what \
                     that answers as Authorization: Bearer TOKEN."
                );
                Err(Problem::with_detail(Code::OriginRefused, detail))
            }
        }
    }
}

/// A session's new token on its way to whom it belongs.
#[derive(Debug)]
pub(super) struct NewToken {
    shown: Option<String>,
    cookie: Option<HeaderValue>,
}

impl NewToken {
    pub(super) fn new(app: &App, started: &Started, kind: SessionKind) -> Self {
        let token = started.token.reveal();
        match kind {
            SessionKind::Token => Self { shown: Some(token), cookie: None },
            SessionKind::Cookie(audience) => {
                let life = started.expires_at.since(app.now());
                Self { shown: None, cookie: Some(cookie(audience, &token, life.as_secs())) }
            }
        }
    }

    /// The token for the body, if it goes there.
    pub(super) fn shown(&mut self) -> Option<String> {
        self.shown.take()
    }

    pub(super) fn into_answer(self, body: impl IntoResponse) -> Response {
        let mut response = body.into_response();
        if let Some(cookie) = self.cookie {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// A login that succeeded.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LoggedIn {
    /// Send it as `Authorization: Bearer TOKEN`. Absent where the session is a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    staff: StaffView,
    /// What must be done before anything else works.
    pending: Vec<Pending>,
    #[serde(skip)]
    pub(super) new: Option<NewToken>,
}

impl LoggedIn {
    pub(super) fn new(app: &App, started: &Started, kind: SessionKind, staff: StaffView) -> Self {
        let mut new = NewToken::new(app, started, kind);
        Self { token: new.shown(), staff, pending: started.pending.clone(), new: Some(new) }
    }
}

/// A session that got a new token, because what it may has changed; the old one is dead.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Renewed {
    /// Absent where the session is a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// What must still be done before anything else works.
    pending: Vec<Pending>,
    #[serde(skip)]
    new: Option<NewToken>,
}

impl Renewed {
    pub(super) fn new(app: &App, member: &Member, started: &Started) -> Result<Self, Problem> {
        let mut new = NewToken::new(app, started, member.presented()?.kind);
        Ok(Self { token: new.shown(), pending: started.pending.clone(), new: Some(new) })
    }

    /// For answers that say more.
    pub(super) fn parts(mut self) -> (Option<String>, Vec<Pending>, Option<NewToken>) {
        (self.token.take(), std::mem::take(&mut self.pending), self.new.take())
    }
}

pub(super) fn cookie(audience: Audience, value: &str, max_age_s: u64) -> HeaderValue {
    let name = cookie_of(audience);
    let text = format!("{name}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Strict");
    let mut header = HeaderValue::from_str(&text).expect("a token is base64url");
    header.set_sensitive(true);
    header
}

/// The session ended while it was being used.
pub(super) fn gone() -> Problem {
    Problem::with_detail(Code::LoginRequired, "The session ended, or got a new token, in this moment.")
}

/// Answers of JSON that may bring a cookie along.
macro_rules! with_cookie {
    ($($answer:ty: $new:expr;)*) => { $(
        impl axum::response::IntoResponse for $answer {
            fn into_response(mut self) -> axum::response::Response {
                let take: fn(&mut Self) -> Option<$crate::api::tokens::NewToken> = $new;
                match take(&mut self) {
                    Some(new) => new.into_answer($crate::api::extract::Json(self)),
                    None => $crate::api::extract::Json(self).into_response(),
                }
            }
        }

        impl aide::OperationOutput for $answer {
            type Inner = Self;

            fn operation_response(
                ctx: &mut aide::generate::GenContext,
                operation: &mut aide::openapi::Operation,
            ) -> Option<aide::openapi::Response> {
                $crate::api::extract::Json::<Self>::operation_response(ctx, operation)
            }

            fn inferred_responses(
                ctx: &mut aide::generate::GenContext,
                operation: &mut aide::openapi::Operation,
            ) -> Vec<(Option<u16>, aide::openapi::Response)> {
                $crate::api::extract::Json::<Self>::inferred_responses(ctx, operation)
            }
        }
    )* };
}
pub(super) use with_cookie;

with_cookie! {
    LoggedIn: |answer| answer.new.take();
    Renewed: |answer| answer.new.take();
}
