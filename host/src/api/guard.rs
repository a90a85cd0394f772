//! Who calls, and may they: decided before anything else of a request is looked at.

use std::{net::SocketAddr, sync::Arc};

use aide::OperationInput;
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    cx::{Actor, Caller},
    roles::Permission,
    secret::Token,
    sessions::{self, Authenticated, Client},
};

use super::{
    outermost::RequestId,
    problem::{Code, Problem},
    routes::{Audience, Op},
};
use crate::App;

/// The cookie of a staff session. `__Host-` binds it to this host, to HTTPS and to `/` (RFC 6265bis, section 4.1.3.2).
pub(super) const STAFF_COOKIE: &str = "__Host-frontdesk-admin";

/// With whose eyes a request reads that the service makes to itself. Only code in this process can attach it.
#[derive(Clone, Debug)]
pub(crate) enum InProcess {
    /// A shared widget: no session, exactly this permission.
    Widget(Option<Permission>),
    Viewer(Arc<Authenticated>),
}

/// Somebody without a session, or whose session does not matter here.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub caller: Caller,
    pub client: Client,
}

/// A member of staff with a live session.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub caller: Caller,
    pub session: Arc<Authenticated>,
}

/// Refuses or lets through; what handlers need to know of the caller goes along.
pub(super) async fn admit(app: &App, op: &Op, mut request: Request, next: Next) -> Response {
    if let Err(problem) = check(app, op, &mut request).await {
        return problem.into_response();
    }
    next.run(request).await
}

async fn check(app: &App, op: &Op, request: &mut Request) -> Result<(), Problem> {
    if op.audience == Audience::Public {
        return Ok(());
    }
    if let Some(eyes) = request.extensions().get::<InProcess>().cloned() {
        return check_in_process(op, request, eyes);
    }
    let token = presented(app, request)?.ok_or_else(login_required)?;
    let mut view = app.read().await?;
    let now = app.now();
    let found = sessions::authenticate(&mut view, &token.hash(), |id| app.seen().last(id)).await?;
    // Back to the pool before the handler asks it for another.
    drop(view);
    let session = found.ok_or_else(login_required)?;
    app.seen().note(&session, now);
    if let Some(needed) = op.permission
        && !session.rights.has(needed)
    {
        return Err(Problem::permission(needed));
    }
    if op.confirmation && !session.is_confirmed(now) {
        let detail = "The last time was more than ten minutes ago: POST /v1/admin/session/confirm, then send this again.";
        return Err(Problem::with_detail(Code::ConfirmationRequired, detail));
    }
    request.extensions_mut().insert(Arc::new(session));
    Ok(())
}

fn check_in_process(op: &Op, request: &mut Request, eyes: InProcess) -> Result<(), Problem> {
    // What needs no permission is the caller's own: their session, their dashboard, which draws this very widget.
    let needed = op.permission.ok_or_else(login_required)?;
    let may = match &eyes {
        InProcess::Widget(permission) => *permission == Some(needed),
        InProcess::Viewer(session) => session.rights.has(needed),
    };
    if !may {
        return Err(Problem::permission(needed));
    }
    if let InProcess::Viewer(session) = eyes {
        request.extensions_mut().insert(session);
    }
    Ok(())
}

fn login_required() -> Problem {
    let detail = "POST /v1/admin/session gives a token; send it as Authorization: Bearer TOKEN.";
    Problem::with_detail(Code::LoginRequired, detail)
}

/// The session token of a request: the header's, else the cookie's.
fn presented(app: &App, request: &Request) -> Result<Option<Token>, Problem> {
    let headers = request.headers();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        return Ok(bearer.and_then(|(_, token)| Token::parse(token.trim())));
    }
    let Some(token) = cookie(headers, STAFF_COOKIE) else { return Ok(None) };
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !same_origin(headers, &app.public_url().origin()) {
        let detail = "A change by cookie must come from a page of this service: its Origin is public_url's.";
        return Err(Problem::with_detail(Code::OriginRefused, detail));
    }
    Ok(Token::parse(token))
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Browsers say where every change comes from; whoever does not say is none of ours.
pub(super) fn same_origin(headers: &HeaderMap, ours: &str) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() == ours.as_bytes())
}

impl<S: Send + Sync> FromRequestParts<S> for Guest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let address =
            parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        let name = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            caller: Caller {
                actor: Actor::Guest,
                address,
                request_id: parts.extensions.get::<RequestId>().map(|id| id.0.to_string()),
            },
            client: Client { address, name: name.map(str::to_owned) },
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let session = parts.extensions.get::<Arc<Authenticated>>().cloned().ok_or_else(login_required)?;
        let Guest { caller, .. } = Guest::from_request_parts(parts, state).await?;
        Ok(Self { caller: Caller { actor: Actor::Staff(session.staff), ..caller }, session })
    }
}

impl OperationInput for Guest {}
impl OperationInput for Member {}
