//! Sessions: who is logged in, by a token of which only the hash is kept.

mod store;

use std::{net::IpAddr, time::Duration};

use crate::{
    cx::{Cx, Reads},
    db,
    event::{SessionConfirmed, SessionEnded, SessionRefused, SessionStarted},
    ids::{SessionId, StaffId},
    roles::Rights,
    secret::{Token, TokenHash},
    time::Timestamp,
};

/// OWASP Session Management Cheat Sheet: an idle limit, and an absolute one that use does not extend.
pub const STAFF_IDLE: Duration = Duration::from_secs(60 * 60);
pub const STAFF_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a node may keep to itself when it saw a session used.
pub const UNWRITTEN: Duration = Duration::from_secs(60);

/// How long giving the password counts for sensitive changes.
pub const CONFIRMATION: Duration = Duration::from_secs(10 * 60);

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Password,
    Invitation,
}

/// Where somebody came from, as the session list shows it.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub address: Option<IpAddr>,
    /// The User-Agent header, cut to 200 characters.
    pub name: Option<String>,
}

/// A member of staff with a session.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub session: SessionId,
    pub staff: StaffId,
    pub rights: Rights,
    pub started_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    pub confirmed_at: Timestamp,
}

impl Authenticated {
    /// Whether the password was given recently enough for a sensitive change.
    pub fn is_confirmed(&self, now: Timestamp) -> bool {
        now.since(self.confirmed_at) < CONFIRMATION
    }

    /// Whether the session may still be used at `now`, last used at `last_seen`.
    fn is_live(&self, now: Timestamp, last_seen: Timestamp) -> bool {
        now < self.expires_at && now.since(last_seen) < STAFF_IDLE
    }
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
    token: &TokenHash,
    seen: impl FnOnce(SessionId) -> Option<Timestamp>,
) -> Result<Option<Authenticated>, db::Error> {
    let now = reads.now();
    let found = store::find(reads.db(), token).await?;
    Ok(found.filter(|session| {
        let last_seen =
            seen(session.session).map_or(session.last_seen_at, |seen| seen.max(session.last_seen_at));
        session.is_live(now, last_seen)
    }))
}

/// Logs a member of staff in whose password was right. Checks again, inside, that they still may.
pub async fn start(cx: &mut Cx, staff: StaffId, method: Method, client: &Client) -> Result<Token, Error> {
    if !store::touch_login(cx, staff).await? {
        return Err(Error::Refused);
    }
    let (id, token) = (SessionId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    store::insert(cx, id, &token.hash(), staff, client).await?;
    let method = match method {
        Method::Password => "password",
        Method::Invitation => "invitation",
    };
    cx.emit(SessionStarted { session_id: id, staff_id: staff, method }).await?;
    Ok(token)
}

/// Writes down that a login was refused.
pub async fn refuse(cx: &mut Cx, staff: Option<StaffId>) -> Result<(), db::Error> {
    cx.emit(SessionRefused { staff_id: staff }).await?;
    Ok(())
}

/// The password was given again and was right: sensitive changes are open for ten minutes.
pub async fn confirm(cx: &mut Cx, session: &Authenticated) -> Result<(), Error> {
    if !store::confirm(cx, session.session).await? {
        return Err(Error::Refused);
    }
    cx.emit(SessionConfirmed { session_id: session.session, staff_id: session.staff }).await?;
    Ok(())
}

/// Logs out. Doing it twice at once does it once.
pub async fn end(cx: &mut Cx, session: &Authenticated) -> Result<(), db::Error> {
    if store::delete(cx, session.session).await? {
        cx.emit(SessionEnded { session_id: session.session, staff_id: session.staff }).await?;
    }
    Ok(())
}

/// Writes down when sessions were last used, and clears away those that are over.
pub async fn write_seen(cx: &mut Cx, seen: &[(SessionId, Timestamp)]) -> Result<(), db::Error> {
    store::write_seen(cx, seen).await?;
    // Other nodes may not have written down yet what they saw.
    let idle_since = cx.now().minus(STAFF_IDLE + UNWRITTEN * 3);
    store::delete_over(cx, idle_since).await
}

#[cfg(test)]
mod tests;
