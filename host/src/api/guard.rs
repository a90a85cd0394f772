//! Who calls, and may they: decided before anything else of a request is looked at.

use std::sync::Arc;

use aide::OperationInput;
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderName, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use frontdesk_core::{
    accounts::AccountPermissions,
    api_access::{self, Program},
    authority::Authority,
    cx::{Actor, Caller, Cx, Reads},
    ids::{AccountId, UserId},
    invalid::fold,
    limits::{self, Attempt, Refused, Step},
    logins::{self, Login},
    roles::Permission,
    secret::{Token, TokenHash},
    sessions::{self, Authenticated, Client, Pending},
    settings::Settings,
    time::Timestamp,
};

use super::{
    client_address::ClientAddress,
    cors,
    outermost::RequestId,
    problem::{Code, Problem},
    routes::{Audience, Needs, Op},
    tokens::SessionKind,
};
use crate::App;

/// The cookie of a session. `__Host-` binds it to this host, to HTTPS and to `/` (RFC 6265bis, section 4.1.3.2).
pub(super) const fn cookie_of(audience: logins::Audience) -> &'static str {
    match audience {
        logins::Audience::Staff => "__Host-frontdesk-admin",
        logins::Audience::User => "__Host-frontdesk-client",
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

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
    /// Whether the address is the caller's own, by which it may be counted and banned. Without an address it is not.
    pub countable: bool,
}

/// Whoever calls an operation that needs a permission: a member of staff, or a program for one.
#[derive(Clone, Debug)]
pub(super) struct By {
    caller: Caller,
    /// What the caller may do to others.
    pub authority: Authority,
    admitted: Admitted,
    /// None: a program.
    session: Option<Arc<Authenticated>>,
}

/// What a request was let through to. Its body may be long in coming, so whatever it changes asks again whether the caller
/// still may: in the unit of work itself.
#[derive(Clone, Copy, Debug)]
struct Admitted {
    operation: &'static str,
    permission: Option<Permission>,
    needs: Needs,
    as_another: bool,
    despite: &'static [Pending],
    /// Whether an API role can list it.
    for_programs: bool,
}

/// A member of staff, or a user, with a live session: for what is one's own, like that session.
#[derive(Clone, Debug)]
pub(super) struct Member {
    caller: Caller,
    admitted: Admitted,
    /// See [`Guest::countable`].
    pub countable: bool,
    pub session: Arc<Authenticated>,
    /// The token of this request, and how it came: a new one goes the same way. None for requests of widgets.
    presented: Option<Presented>,
    pub client: Client,
}

/// A user whose session acts for an account, and may there what the operation needs.
#[derive(Clone, Debug)]
pub(super) struct OnAccount {
    pub account: AccountId,
    member: Member,
}

/// Whoever calls an operation that asks for no login and may have one, as a user. A session that is over is a problem,
/// rather than none: whoever sends one means to be somebody.
#[derive(Clone, Debug)]
pub(super) struct MaybeUser(pub Result<Option<Member>, Problem>);

/// A session's token as a request carried it.
#[derive(Clone, Debug)]
pub(super) struct Presented {
    pub token: TokenHash,
    pub kind: SessionKind,
}

impl Guest {
    /// An attempt of this caller's to log in as `name`, which may be somebody's.
    pub(super) fn attempt(
        &self,
        audience: logins::Audience,
        name: &str,
        login: Option<&Login>,
        step: Step,
    ) -> Attempt {
        Attempt {
            audience,
            name: fold(name.trim()),
            login: login.map(|login| login.id),
            step,
            address: self.client.address,
            countable: self.countable,
        }
    }
}

/// Refuses whoever comes from where logins are refused, before a link of theirs is looked at. Nobody's name is tried, so
/// no name's delay holds.
pub(super) async fn refuse_banned(
    reads: &mut impl Reads,
    settings: &Settings,
    guest: &Guest,
    audience: logins::Audience,
) -> Result<(), Problem> {
    let attempt = guest.attempt(audience, "", None, Step::Password);
    match limits::check(reads, settings, &attempt).await {
        Err(Refused::TooMany { .. }) => Ok(()),
        other => Ok(other?),
    }
}

impl By {
    /// The session of whoever calls; programs have none.
    pub(super) fn session(&self) -> Result<&Authenticated, Problem> {
        self.session.as_deref().ok_or_else(|| Problem::operation_not_allowed(self.admitted.operation))
    }

    /// Refuses whoever lacks a further permission, or has not given the password lately: what some requests of an operation
    /// need, and others do not.
    pub(super) async fn needs_also(&self, cx: &mut Cx, permission: Permission) -> Result<(), Problem> {
        if !self.authority.again(cx).await?.rights().has(permission) {
            return Err(Problem::permission(permission));
        }
        let now = cx.now();
        self.session.as_deref().map_or(Ok(()), |session| refuse_unconfirmed(session, now))
    }

    /// A unit of work, for whoever still may.
    pub(super) async fn begin(&self, app: &App) -> Result<Cx, Problem> {
        let mut cx = app.begin(self.caller.clone()).await?;
        match self.authority.program() {
            Some(program) => {
                let program = api_access::again(&mut cx, program).await?.ok_or_else(credential_refused)?;
                self.admitted.check_program(&program)?;
            }
            None => self.admitted.check_session(app, &mut cx, self.session.as_deref()).await?,
        }
        Ok(cx)
    }
}

impl OnAccount {
    pub(super) fn user(&self) -> UserId {
        self.member.session.user()
    }

    /// A unit of work, for whoever still may.
    pub(super) async fn begin(&self, app: &App) -> Result<Cx, Problem> {
        self.member.begin(app).await
    }
}

impl Admitted {
    fn to(op: &Op) -> Self {
        let Op { id: operation, permission, needs, as_another, despite, .. } = *op;
        let for_programs = op.for_programs().is_some();
        Self { operation, permission, needs, as_another, despite, for_programs }
    }

    /// Whether the session still is one, and permits this.
    async fn check_session(
        self,
        app: &App,
        cx: &mut Cx,
        session: Option<&Authenticated>,
    ) -> Result<(), Problem> {
        let required = |audience| move || login_required(audience);
        let session = session.ok_or_else(required(logins::Audience::Staff))?;
        let found = sessions::again(cx, session, &app.settings(), |id| app.seen().last(id)).await?;
        let found = found.ok_or_else(required(session.audience))?;
        self.check(&found)?;
        // What was meant for one account must not be done to another.
        if self.needs != Needs::Nothing
            && found.account.map(|on| on.account) != session.account.map(|on| on.account)
        {
            return Err(account_choice_required());
        }
        Ok(())
    }

    fn check(self, session: &Authenticated) -> Result<(), Problem> {
        if session.opened_by.is_some() && !self.as_another {
            return Err(login_as_refused());
        }
        refuse_pending(self.despite, session)?;
        self.check_account(session)?;
        match self.permission {
            Some(needed) if !session.rights.has(needed) => Err(Problem::permission(needed)),
            _ => Ok(()),
        }
    }

    /// User, account, its state and what the user may there: one look-up has brought them all, see
    /// [`sessions::authenticate`].
    fn check_account(self, session: &Authenticated) -> Result<(), Problem> {
        if self.needs == Needs::Nothing {
            return Ok(());
        }
        let (permissions, is_owner) = match session.account {
            Some(on) => (on.permissions, on.is_owner),
            // They may nothing there any more. (Whoever has not chosen yet is asked to.)
            None if session.lost_account => (AccountPermissions::NONE, false),
            None => return Err(account_choice_required()),
        };
        match self.needs {
            Needs::Nothing => Ok(()),
            Needs::Permission(needed) if permissions.has(needed) => Ok(()),
            Needs::Permission(needed) => Err(Problem::account_permission(needed, permissions)),
            Needs::Ownership if is_owner => Ok(()),
            Needs::Ownership => Err(Problem::owner_required(permissions)),
        }
    }

    fn check_program(self, program: &Program) -> Result<(), Problem> {
        if !self.for_programs {
            let detail = format!("{} is for people: programs never call it.", self.operation);
            return Err(Problem::with_detail(Code::OperationNotAllowed, detail));
        }
        if !program.owner_rights.has(Permission::ApiAccess) {
            return Err(Problem::permission(Permission::ApiAccess));
        }
        if !program.operations.has(self.operation) {
            return Err(Problem::operation_not_allowed(self.operation));
        }
        match self.permission {
            Some(needed) if !program.owner_rights.has(needed) => Err(Problem::permission(needed)),
            _ => Ok(()),
        }
    }
}

impl Member {
    /// A unit of work, for whoever still may.
    pub(super) async fn begin(&self, app: &App) -> Result<Cx, Problem> {
        let mut cx = app.begin(self.caller.clone()).await?;
        self.admitted.check_session(app, &mut cx, Some(&self.session)).await?;
        Ok(cx)
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn presented(&self) -> Result<&Presented, Problem> {
        self.presented.as_ref().ok_or_else(|| login_required(self.session.audience))
    }

    /// An attempt of this caller's to prove once more who they are.
    pub(super) fn attempt(&self, login: &Login) -> Attempt {
        Attempt {
            audience: login.audience,
            name: fold(login.display_name()),
            login: Some(login.id),
            step: Step::Confirmation,
            address: self.client.address,
            countable: self.countable,
        }
    }
}

/// Refuses or lets through; what handlers need to know of the caller goes along.
pub(super) async fn admit(app: &App, op: &Op, mut request: Request, next: Next) -> Response {
    if let Err(problem) = check(app, op, &mut request).await {
        return problem.into_response();
    }
    next.run(request).await
}

async fn check(app: &App, op: &Op, request: &mut Request) -> Result<(), Problem> {
    let audience = match op.audience {
        Audience::Public => {
            request.extensions_mut().insert(Admitted::to(op));
            return refuse_other_sites(app, request);
        }
        Audience::Staff => logins::Audience::Staff,
        Audience::User => logins::Audience::User,
    };
    let admitted = Admitted::to(op);
    request.extensions_mut().insert(admitted);
    if let Some(eyes) = request.extensions().get::<InProcess>().cloned() {
        return check_in_process(op, request, eyes);
    }
    if audience == logins::Audience::Staff
        && let Some(given) = credential(request.headers())
    {
        return check_program(app, admitted, request, given).await;
    }
    let (parts, required) = ((request.headers(), request.method()), || login_required(audience));
    let (token, kind) = presented(app, parts, audience)?.ok_or_else(required)?;
    let session = authenticate(app, audience, &token).await?.ok_or_else(required)?;
    admitted.check(&session)?;
    if op.confirmation {
        refuse_unconfirmed(&session, app.now())?;
    }
    request.extensions_mut().insert(Arc::new(session));
    request.extensions_mut().insert(Presented { token: token.hash(), kind });
    Ok(())
}

/// The session of a token, which is used by this.
async fn authenticate(
    app: &App,
    audience: logins::Audience,
    token: &Token,
) -> Result<Option<Authenticated>, Problem> {
    let settings = app.settings();
    // The connection is back in the pool before the handler asks it for another.
    let found = {
        let mut view = app.read().await?;
        sessions::authenticate(&mut view, audience, &token.hash(), &settings, |id| app.seen().last(id))
            .await?
    };
    if let Some(session) = &found {
        app.seen().note(session, app.now(), settings.session(audience).idle);
    }
    Ok(found)
}

/// What is sensitive wants the password given within ten minutes.
pub(super) fn refuse_unconfirmed(session: &Authenticated, now: Timestamp) -> Result<(), Problem> {
    if session.is_confirmed(now) {
        return Ok(());
    }
    let detail = format!(
        "The last time was more than ten minutes ago: POST {}/session/confirm, then send this again.",
        surface(session.audience)
    );
    Err(Problem::with_detail(Code::ConfirmationRequired, detail))
}

/// An API credential, as a request carried it.
struct Given {
    identifier: String,
    secret: Token,
}

/// The API credential of a request: by Basic (RFC 7617), or by Bearer with a dot, which no session's token holds. One that
/// is out of shape is as wrong as any other: `Some(None)`.
fn credential(headers: &HeaderMap) -> Option<Option<Given>> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = text.split_once(' ').unwrap_or((text, ""));
    let value = value.trim();
    let (pair, between) = if scheme.eq_ignore_ascii_case("basic") {
        (BASE64.decode(value.as_bytes()).ok().and_then(|pair| String::from_utf8(pair).ok()), ':')
    } else if scheme.eq_ignore_ascii_case("bearer") && value.contains('.') {
        (Some(value.to_owned()), '.')
    } else {
        return None;
    };
    Some(pair.and_then(|pair| {
        let (identifier, secret) = pair.split_once(between)?;
        let plain = identifier.len() <= 64 && identifier.bytes().all(|byte| byte.is_ascii_graphic());
        Some(Given { identifier: plain.then(|| identifier.to_owned())?, secret: Token::parse(secret)? })
    }))
}

/// A program does what its API roles list, as far as its owner may at this moment. Programs have no password to confirm.
async fn check_program(
    app: &App,
    admitted: Admitted,
    request: &mut Request,
    given: Option<Given>,
) -> Result<(), Problem> {
    let given = given.ok_or_else(credential_refused)?;
    let mut view = app.read().await?;
    let found =
        api_access::authenticate(&mut view, app.catalogue(), &given.identifier, &given.secret).await?;
    // Back to the pool before the handler asks it for another.
    drop(view);
    let program = found.ok_or_else(credential_refused)?;
    let (now, client) = (app.now(), request.extensions().get::<ClientAddress>());
    let address = client.map(|client| client.address);
    if !program.limits.admits(address) {
        let detail = "The credential works from the networks that it lists.";
        return Err(Problem::with_detail(Code::AddressNotAllowed, detail));
    }
    if let Some(rate) = program.limits.rate_per_minute {
        app.programs().count(program.credential, rate, now).map_err(Problem::too_many)?;
    }
    app.programs().note(program.credential, now, address);
    admitted.check_program(&program)?;
    request.extensions_mut().insert(Arc::new(program));
    Ok(())
}

fn credential_refused() -> Problem {
    let detail = "There is no such API credential, its secret is another one, or it is over. Send it as Authorization: Basic \
                  with identifier and secret, or as Bearer IDENTIFIER.SECRET.";
    Problem::with_detail(Code::CredentialRefused, detail)
}

/// A restricted session does what is pending, and nothing else.
fn refuse_pending(despite: &[Pending], session: &Authenticated) -> Result<(), Problem> {
    match session.pending.first() {
        Some(first) if !session.pending.iter().any(|pending| despite.contains(pending)) => {
            Err(Problem::pending(*first, surface(session.audience)))
        }
        _ => Ok(()),
    }
}

fn check_in_process(op: &Op, request: &mut Request, eyes: InProcess) -> Result<(), Problem> {
    // What needs no permission is the caller's own: their session, their dashboard, which draws this very widget.
    let needed = op.permission.ok_or_else(|| login_required(logins::Audience::Staff))?;
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

/// Where the operations of an audience are.
pub(super) const fn surface(audience: logins::Audience) -> &'static str {
    match audience {
        logins::Audience::Staff => "/v1/admin",
        logins::Audience::User => "/v1/client",
    }
}

fn login_required(audience: logins::Audience) -> Problem {
    let surface = surface(audience);
    let detail = format!("POST {surface}/session gives a token; send it as Authorization: Bearer TOKEN.");
    Problem::with_detail(Code::LoginRequired, detail)
}

fn account_choice_required() -> Problem {
    let detail =
        "GET /v1/client/accounts lists yours; choose an open one with POST /v1/client/session/account.";
    Problem::with_detail(Code::AccountChoiceRequired, detail)
}

fn login_as_refused() -> Problem {
    let detail =
        "You came in as this user. How they log in, and who is on the account, only they themselves change.";
    Problem::with_detail(Code::LoginAsRefused, detail)
}

/// The session token of a request: the header's, else the cookie's.
fn presented(
    app: &App,
    (headers, method): (&HeaderMap, &Method),
    audience: logins::Audience,
) -> Result<Option<(Token, SessionKind)>, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.and_then(|(_, token)| Token::parse(token.trim()));
        return Ok(token.map(|token| (token, SessionKind::Token)));
    }
    let Some(token) = cookie(headers, cookie_of(audience)) else { return Ok(None) };
    if !is_safe(method) && !same_origin(headers, &app.public_url().origin()) {
        let detail = "A change by cookie must come from a page of this service: its Origin is public_url's.";
        return Err(Problem::with_detail(Code::OriginRefused, detail));
    }
    Ok(Token::parse(token).map(|token| (token, SessionKind::Cookie(audience))))
}

/// Whether a method changes nothing (RFC 9110, section 9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A page of another site must not make its visitors log in, try passwords from their address, or spend their links:
/// refused before anything is counted. Programs send no `Origin` and are let through, and so are the front ends that
/// `cors_origins` lists, from whatever site: they get no cookie, see [`super::tokens::Wanted`].
fn refuse_other_sites(app: &App, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    if is_safe(request.method()) || cors::listed(app, headers).is_some() {
        return Ok(());
    }
    let ours = app.public_url().origin();
    let foreign = headers.contains_key(header::ORIGIN) && !same_origin(headers, &ours);
    // Fetch Metadata (W3C): what browsers say by themselves, also where there is no Origin.
    let cross_site = headers.get(SEC_FETCH_SITE).is_some_and(|site| site.as_bytes() == b"cross-site");
    if foreign || cross_site {
        let detail = format!(
            "In a browser this works from {ours} only, which is what public_url says, and from what cors_origins lists."
        );
        return Err(Problem::with_detail(Code::OriginRefused, detail));
    }
    Ok(())
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
        let from = parts.extensions.get::<ClientAddress>();
        let address = from.map(|from| from.address);
        let name = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            caller: Caller {
                actor: Actor::Guest,
                address,
                request_id: parts.extensions.get::<RequestId>().map(|id| id.0.to_string()),
            },
            client: Client { address, name: name.map(str::to_owned) },
            countable: from.is_some_and(|from| !from.behind_unknown_proxy),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let required = || login_required(logins::Audience::Staff);
        let session = parts.extensions.get::<Arc<Authenticated>>().cloned().ok_or_else(required)?;
        let Guest { caller, countable, client } = Guest::from_request_parts(parts, state).await?;
        let presented = parts.extensions.get::<Presented>().cloned();
        let caller = Caller { actor: session.actor(), ..caller };
        let admitted = *parts.extensions.get::<Admitted>().ok_or_else(required)?;
        Ok(Self { caller, admitted, countable, session, presented, client })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OnAccount {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let member = Member::from_request_parts(parts, state).await?;
        let on = member.session.account.ok_or_else(account_choice_required)?;
        Ok(Self { account: on.account, member })
    }
}

impl FromRequestParts<App> for MaybeUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(maybe_user(parts, app).await))
    }
}

async fn maybe_user(parts: &mut Parts, app: &App) -> Result<Option<Member>, Problem> {
    let audience = logins::Audience::User;
    let Some((token, kind)) = presented(app, (&parts.headers, &parts.method), audience)? else {
        return match parts.headers.contains_key(header::AUTHORIZATION) {
            true => Err(login_required(audience)),
            false => Ok(None),
        };
    };
    let session = match authenticate(app, audience, &token).await? {
        Some(session) => session,
        // A cookie comes along by itself.
        None if matches!(kind, SessionKind::Cookie(_)) => return Ok(None),
        None => return Err(login_required(audience)),
    };
    let admitted = *parts.extensions.get::<Admitted>().ok_or_else(|| login_required(audience))?;
    admitted.check(&session)?;
    parts.extensions.insert(Arc::new(session));
    parts.extensions.insert(Presented { token: token.hash(), kind });
    Ok(Some(Member::from_request_parts(parts, app).await?))
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let required = || login_required(logins::Audience::Staff);
        let Guest { caller, .. } = Guest::from_request_parts(parts, state).await?;
        let session = parts.extensions.get::<Arc<Authenticated>>().cloned();
        let (actor, authority) = if let Some(program) = parts.extensions.get::<Arc<Program>>() {
            let actor = Actor::Program(program.owner, program.credential);
            (actor, Authority::of_program(Arc::clone(program)))
        } else {
            let session = session.as_deref().ok_or_else(required)?;
            (Actor::Staff(session.staff()), Authority::from(session))
        };
        let admitted = *parts.extensions.get::<Admitted>().ok_or_else(required)?;
        Ok(Self { caller: Caller { actor, ..caller }, authority, admitted, session })
    }
}

impl OperationInput for Guest {}
impl OperationInput for By {}
impl OperationInput for Member {}
impl OperationInput for OnAccount {}
impl OperationInput for MaybeUser {}
