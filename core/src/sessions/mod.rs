//! Sessions of staff and users: who is logged in, by a token of which only the hash is kept.
//!
//! ```text
//! password right ─┬─ no second factor ──────────────┬─ nothing to do first ── full
//!                 └─ challenge ── the code is right ─┴─ something is ── restricted ── done ── full
//! ```
//!
//! Each step to more rights gives a new token, and the old one dies with it (OWASP ASVS 5.0, 7.2.4).

mod enter;
mod introspect;
mod store;

use std::{net::IpAddr, time::Duration};

use crate::{
    accounts::AccountPermissions,
    cx::{Actor, Cx, Reads},
    db,
    event::{
        AccountChosen, SessionChallenged, SessionConfirmed, SessionEnded, SessionRefused, SessionStarted,
    },
    ids::{AccountId, LoginId, RoleId, SessionId, StaffId, UserId},
    limits,
    logins::{self, Audience, Login},
    outbox::{Mail, Notice},
    page::{Page, PageRequest},
    roles::{Permission, Rights},
    second_factor,
    secret::{Token, TokenHash},
    settings::Settings,
    text_enum::text_enum,
    time::Timestamp,
};

pub use enter::{Entered, enter};
pub use introspect::{Introspected, introspect};

/// How long a node may keep to itself when it saw a session used.
pub const UNWRITTEN: Duration = Duration::from_secs(60);

/// How long giving the password counts for sensitive changes.
pub const CONFIRMATION: Duration = Duration::from_secs(10 * 60);

/// How long a right password waits for its second factor.
pub const CHALLENGE: Duration = Duration::from_secs(10 * 60);

/// How long a session lives (OWASP Session Management Cheat Sheet): unused, and at the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub idle: Duration,
    pub absolute: Duration,
}

text_enum! {
    /// How somebody came in.
    pub enum Method {
        Password => "password",
        Totp => "totp",
        Recovery => "recovery",
        SecurityKey => "security-key",
        Invitation => "invitation",
        LoginAs => "login-as",
    }
}

text_enum! {
    /// What must be done before a session can do anything else.
    pub enum Pending {
        ChangePassword => "change_password",
        EnrolSecondFactor => "enrol_second_factor",
        /// A user is on several accounts, and the session acts for none of them yet. Only what is an account's waits for it.
        ChooseAccount => "choose_account",
    }
}

impl Pending {
    /// What a session remembers: it is restricted until it is done.
    pub const STORED: &'static [Self] = &[Self::ChangePassword, Self::EnrolSecondFactor];
}

text_enum! {
    enum State {
        Challenge => "challenge",
        Restricted => "restricted",
        Full => "full",
    }
}

/// Where somebody came from, as the session list shows it.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub address: Option<IpAddr>,
    /// The User-Agent header, cut to 200 characters.
    pub name: Option<String>,
}

/// Somebody with a session.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub session: SessionId,
    pub audience: Audience,
    pub login: LoginId,
    /// None for users.
    pub role: Option<RoleId>,
    /// None for users.
    pub rights: Rights,
    /// How many records a page of a list has, if they chose.
    pub records_per_page: Option<i64>,
    /// The account that a user's session acts for, as long as it may.
    pub account: Option<OnAccount>,
    /// It acted for an account that its user is no longer on, or that was closed.
    pub lost_account: bool,
    /// The admin who came in as this user, and whose session this one ends with.
    pub opened_by: Option<OpenedBy>,
    /// What must be done before anything else works.
    pub pending: Vec<Pending>,
    pub started_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub confirmed_at: Timestamp,
}

/// The account that a session acts for, and what its user may do there at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnAccount {
    pub account: AccountId,
    pub is_owner: bool,
    pub permissions: AccountPermissions,
}

/// Whose eyes a session was opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedBy {
    pub session: SessionId,
    pub staff: StaffId,
}

impl Authenticated {
    /// Whether the password was given recently enough for a sensitive change.
    pub fn is_confirmed(&self, now: Timestamp) -> bool {
        now.since(self.confirmed_at) < CONFIRMATION
    }

    /// The session, if it may be used at `now`. `seen`: see [`authenticate`].
    fn alive(self, now: Timestamp, seen: Option<Timestamp>, settings: &Settings) -> Option<Self> {
        let lifetime = settings.session(self.audience);
        // A limit that was shortened holds for sessions that began before.
        let expires_at = self.expires_at.min(self.started_at.plus(lifetime.absolute));
        let last_seen = seen.map_or(self.last_seen_at, |seen| seen.max(self.last_seen_at));
        let alive = now < expires_at && now.since(last_seen) < lifetime.idle;
        alive.then_some(Self { expires_at, ..self })
    }

    /// The member of staff whose session it is; for sessions of staff.
    pub fn staff(&self) -> StaffId {
        self.login.of_staff()
    }

    /// The user whose session it is; for sessions of users.
    pub fn user(&self) -> UserId {
        self.login.of_user()
    }

    /// Who acts in this session.
    pub fn actor(&self) -> Actor {
        match (self.audience, self.opened_by) {
            (Audience::Staff, _) => Actor::Staff(self.staff()),
            (Audience::User, None) => Actor::User(self.user()),
            (Audience::User, Some(opened_by)) => Actor::StaffAsUser(opened_by.staff, self.user()),
        }
    }
}

/// A session that just began, or got a new token.
#[derive(Clone, Debug)]
pub struct Started {
    pub session: SessionId,
    pub token: Token,
    pub pending: Vec<Pending>,
    pub expires_at: Timestamp,
}

/// A session as its owner sees it in the list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    pub id: SessionId,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub address: Option<String>,
    pub client: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong password, no such login, or a disabled one: which, nobody outside learns.
    #[error("the login or the password is wrong")]
    Refused,
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Whose session the token is. `seen` is when the session was last used as far as this node has not written it down yet.
pub async fn authenticate(
    reads: &mut impl Reads,
    audience: Audience,
    token: &TokenHash,
    settings: &Settings,
    seen: impl Fn(SessionId) -> Option<Timestamp>,
) -> Result<Option<Authenticated>, db::Error> {
    let found = match audience {
        Audience::Staff => store::find_staffs(reads.db(), token).await?,
        Audience::User => store::find_users(reads.db(), token).await?,
    };
    living(reads, found, settings, seen).await
}

/// The same session as things stand by now, whatever its token has become. None if it is over.
pub async fn again(
    reads: &mut impl Reads,
    session: &Authenticated,
    settings: &Settings,
    seen: impl Fn(SessionId) -> Option<Timestamp>,
) -> Result<Option<Authenticated>, db::Error> {
    let found = match session.audience {
        Audience::Staff => store::find_staffs_by_id(reads.db(), session.session).await?,
        Audience::User => store::find_users_by_id(reads.db(), session.session).await?,
    };
    living(reads, found, settings, seen).await
}

/// A session that was found, if it is alive, and so is the one that opened it.
async fn living(
    reads: &mut impl Reads,
    found: Option<store::Found>,
    settings: &Settings,
    seen: impl Fn(SessionId) -> Option<Timestamp>,
) -> Result<Option<Authenticated>, db::Error> {
    let now = reads.now();
    let Some(store::Found { session, opened_by }) = found else { return Ok(None) };
    let last = seen(session.session);
    let Some(session) = session.alive(now, last, settings) else { return Ok(None) };
    let Some(opened_by) = opened_by else { return Ok(Some(session)) };
    let opener = opener(reads, opened_by, settings, seen).await?;
    Ok(opener.map(|opener| {
        let opened_by = OpenedBy { session: opened_by, staff: opener.staff() };
        Authenticated { opened_by: Some(opened_by), ..session }
    }))
}

/// The session of an admin by whom another one was opened, if that may go on: it lives, and they may still come in as
/// users.
pub(crate) async fn opener(
    reads: &mut impl Reads,
    id: SessionId,
    settings: &Settings,
    seen: impl Fn(SessionId) -> Option<Timestamp>,
) -> Result<Option<Authenticated>, db::Error> {
    let now = reads.now();
    let Some(store::Found { session, .. }) = store::find_staffs_by_id(reads.db(), id).await? else {
        return Ok(None);
    };
    let last = seen(id);
    let alive = session.alive(now, last, settings);
    Ok(alive.filter(|opener| opener.pending.is_empty() && opener.rights.has(Permission::AccountsLoginAs)))
}

/// The password was right and a second factor is enrolled: gives the token by which the factor is answered.
pub async fn challenge(cx: &mut Cx, login: &Login, client: &Client) -> Result<Started, Error> {
    if login.disabled {
        return Err(Error::Refused);
    }
    let (id, token) = (SessionId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = cx.now().plus(CHALLENGE);
    let new = store::New::of(login, State::Challenge, expires_at, client);
    store::insert(cx, id, &token.hash(), new).await?;
    cx.emit(SessionChallenged { audience: login.audience, login_id: login.id }).await?;
    Ok(Started { session: id, token, pending: Vec::new(), expires_at })
}

/// The session that awaits a second factor under this token, and whose it is. Spends nothing.
pub async fn challenged(
    reads: &mut impl Reads,
    audience: Audience,
    token: &TokenHash,
) -> Result<Option<(SessionId, LoginId)>, db::Error> {
    let now = reads.now();
    store::find_challenge(reads.db(), audience, token, now).await
}

/// Spends a challenge. Of any number at once, one does.
pub(crate) async fn spend_challenge(cx: &mut Cx, id: SessionId) -> Result<bool, db::Error> {
    store::spend_challenge(cx, id).await
}

/// Logs somebody in who has proved all there is to prove. Checks again, inside, that they still may; what they must do
/// first is decided here. Whoever comes from a new network is told.
pub async fn start(
    cx: &mut Cx,
    login: &Login,
    method: Method,
    client: &Client,
    settings: &Settings,
) -> Result<Started, Error> {
    if !logins::touch(cx, login.id).await? {
        return Err(Error::Refused);
    }
    // They came as a guest; that they are in is their own doing.
    cx.act_as(login.actor());
    let pending = pending(cx, login, settings).await?;
    let (id, token) = (SessionId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = cx.now().plus(settings.session(login.audience).absolute);
    let state = if pending.is_empty() { State::Full } else { State::Restricted };
    // Where there is nothing to choose, nothing is asked.
    let account = match login.audience {
        Audience::Staff => None,
        Audience::User => store::only_account(cx, login.id.of_user()).await?,
    };
    let new = store::New { pending: &pending, account, ..store::New::of(login, state, expires_at, client) };
    store::insert(cx, id, &token.hash(), new).await?;
    let new_address = limits::came_in(cx, login.id, client.address).await?;
    let event = SessionStarted {
        session_id: id,
        audience: login.audience,
        login_id: login.id,
        method: method.as_str(),
        new_address,
    };
    if new_address {
        let notice = Notice::LoginFromNewAddress { client: client.short_name() };
        let mail = Mail::notice(cx, login.recipient(), notice);
        cx.emit_and_mail(event, mail).await?;
    } else {
        cx.emit(event).await?;
    }
    Ok(Started { session: id, token, pending, expires_at })
}

/// What somebody must do before anything else, as things stand.
async fn pending(cx: &mut Cx, login: &Login, settings: &Settings) -> Result<Vec<Pending>, db::Error> {
    let login = logins::find(cx, login.id).await?.unwrap_or_else(|| login.clone());
    let mut pending = Vec::new();
    if login.must_change_password {
        pending.push(Pending::ChangePassword);
    }
    if second_factor::is_required(cx, &login, settings).await?
        && !second_factor::is_enrolled(cx, login.id).await?
    {
        pending.push(Pending::EnrolSecondFactor);
    }
    Ok(pending)
}

/// Starts a session of an admin who comes in as a user, for that account alone, and for no longer than the admin's own.
pub(crate) async fn start_as(
    cx: &mut Cx,
    login: &Login,
    opener: &Authenticated,
    account: AccountId,
    client: &Client,
) -> Result<Started, db::Error> {
    let (id, token) = (SessionId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = opener.expires_at;
    let new = store::New {
        account: Some(account),
        opened_by: Some(opener.session),
        ..store::New::of(login, State::Full, expires_at, client)
    };
    store::insert(cx, id, &token.hash(), new).await?;
    Ok(Started { session: id, token, pending: Vec::new(), expires_at })
}

/// Says that an admin came in as the user.
pub(crate) async fn tell_started_as(
    cx: &mut Cx,
    login: &Login,
    session: SessionId,
    mail: Mail,
) -> Result<(), db::Error> {
    let event = SessionStarted {
        session_id: session,
        audience: login.audience,
        login_id: login.id,
        method: Method::LoginAs.as_str(),
        new_address: false,
    };
    cx.emit_and_mail(event, mail).await?;
    Ok(())
}

/// Lets a session act for an account that its user is on and that is open, under a new token. None if the session is over
/// or another one renewed it; see [`renew`].
pub async fn choose(
    cx: &mut Cx,
    session: &Authenticated,
    token: &TokenHash,
    account: AccountId,
    settings: &Settings,
) -> Result<Option<Started>, db::Error> {
    let Some(started) = renew(cx, session, token, settings).await? else { return Ok(None) };
    store::set_account(cx, session.session, account).await?;
    let user = session.user();
    cx.emit(AccountChosen { account_id: account, user_id: user, session_id: session.session }).await?;
    Ok(Some(started))
}

/// Gives a session a new token after something changed about what it may, and looks again at what is still to be done.
/// None if the session is over, or another one renewed it: of any number at once with the same token, one does.
pub async fn renew(
    cx: &mut Cx,
    session: &Authenticated,
    token: &TokenHash,
    settings: &Settings,
) -> Result<Option<Started>, db::Error> {
    let Some(login) = logins::find(cx, session.login).await? else { return Ok(None) };
    let mut pending = pending(cx, &login, settings).await?;
    // What came to be required since the login is asked for at the next one.
    pending.retain(|one| session.pending.contains(one) || *one == Pending::ChangePassword);
    let state = if pending.is_empty() { State::Full } else { State::Restricted };
    let new = Token::new(cx.chance());
    if !store::renew(cx, session.session, token, &new.hash(), state, &pending).await? {
        return Ok(None);
    }
    Ok(Some(Started { session: session.session, token: new, pending, expires_at: session.expires_at }))
}

/// Writes down that a login was refused.
pub async fn refuse(
    cx: &mut Cx,
    audience: Audience,
    login: Option<LoginId>,
    step: limits::Step,
) -> Result<(), db::Error> {
    cx.emit(SessionRefused { audience, login_id: login, step: step.as_str() }).await?;
    Ok(())
}

/// The password was given again and was right: sensitive changes are open for ten minutes, under a new token.
pub async fn confirm(
    cx: &mut Cx,
    session: &Authenticated,
    token: &TokenHash,
    settings: &Settings,
) -> Result<Started, Error> {
    let started = renew(cx, session, token, settings).await?.ok_or(Error::Refused)?;
    store::confirm(cx, session.session).await?;
    let Authenticated { session: id, audience, login, .. } = *session;
    cx.emit(SessionConfirmed { session_id: id, audience, login_id: login }).await?;
    Ok(started)
}

/// Somebody's sessions, the one used last first.
pub async fn list(
    reads: &mut impl Reads,
    login: LoginId,
    settings: &Settings,
    audience: Audience,
    request: &PageRequest,
) -> Result<Page<Listed>, db::Error> {
    let now = reads.now();
    let idle_since = now.minus(settings.session(audience).idle);
    let total = request.total(reads.db(), store::select_one(login, now, idle_since)).await?;
    let rows = store::list(reads.db(), login, now, idle_since, request).await?;
    Ok(request.page(rows, total, |session| (session.last_seen_at, session.id.into())))
}

/// Ends one session of its owner. Doing it twice at once does it once; false if it is not theirs or over.
pub async fn end(cx: &mut Cx, by: &Authenticated, id: SessionId) -> Result<bool, db::Error> {
    let ended = store::delete(cx, by.login, id).await?;
    if ended {
        cx.emit(SessionEnded { session_id: id, audience: by.audience, login_id: by.login }).await?;
    }
    Ok(ended)
}

/// Ends every session of its owner but their own.
pub async fn end_others(cx: &mut Cx, by: &Authenticated) -> Result<(), db::Error> {
    for id in store::delete_all(cx, by.login, Some(by.session)).await? {
        cx.emit(SessionEnded { session_id: id, audience: by.audience, login_id: by.login }).await?;
    }
    Ok(())
}

/// Ends every session of somebody, challenges included, but one. What led to it is the event that tells.
pub(crate) async fn end_all(cx: &mut Cx, login: LoginId, keep: Option<SessionId>) -> Result<(), db::Error> {
    store::delete_all(cx, login, keep).await?;
    Ok(())
}

/// Writes down when sessions were last used, and clears away those that are over.
pub async fn write_seen(
    cx: &mut Cx,
    seen: &[(SessionId, Timestamp)],
    settings: &Settings,
) -> Result<(), db::Error> {
    store::write_seen(cx, seen).await?;
    for audience in Audience::ALL {
        // Other nodes may not have written down yet what they saw.
        let idle_since = cx.now().minus(settings.session(*audience).idle + UNWRITTEN * 3);
        store::delete_over(cx, *audience, idle_since).await?;
    }
    Ok(())
}

impl Client {
    /// The client's name in a length that can be shown.
    fn short_name(&self) -> Option<String> {
        self.name.as_ref().map(|name| name.chars().take(200).collect())
    }
}

#[cfg(test)]
mod tests;
