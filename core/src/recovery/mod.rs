//! Setting a forgotten password anew, by a link that is good once and for an hour; and a first one, by a link that is good
//! for seven days.
//!
//! Asking only writes down what was asked ([`ask`]); who is meant is looked up afterwards ([`resolve`]), so that asking
//! for a name that exists costs what asking for any other does. A link sets a password and lets nobody in: whoever has
//! a second factor still needs it at the login (OWASP Forgot Password Cheat Sheet). Users who chose a security question
//! answer it as well ([`answer`]).

mod answer;
mod store;

use std::time::Duration;

use crate::{
    cx::{Actor, Caller, Cx, Reads},
    db,
    event::{EmailVerified, PasswordResetRequested},
    ids::{LoginId, PasswordResetId, ResetRequestId},
    invalid::fold,
    limits,
    logins::{self, Audience, Login, NewPassword},
    network::Network,
    outbox::{self, Mail, PasswordChange, RemovedBy},
    second_factor,
    secret::{Token, TokenHash},
    security_questions::{self, Chosen},
    settings::Settings,
    time::Timestamp,
};

pub(crate) use answer::forget_guesses;
pub use answer::{Judged, refuse_too_many};

/// How long a link lives, to the millisecond.
pub const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// One to choose a first password, which nobody asked for who waits for it.
pub const FIRST_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often one address, or one /64 of IPv6, may ask in an hour.
pub const ASKED_PER_ADDRESS: i64 = 20;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// A further mail goes out after a minute at the earliest.
const BETWEEN_MAILS: Duration = Duration::from_secs(60);
/// And none while there are so many good links: anybody can ask.
const LINKS: i64 = 3;
/// So many requests wait at most, looking one up takes longer than making one: of callers who are counted by their network,
/// and, apart from those, of callers who are not.
const QUEUE: i64 = 1000;
const QUEUE_UNCOUNTED: i64 = 200;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Never made, used, expired, or its owner may not log in: which, nobody outside learns.
    #[error("the link is not good, or no longer")]
    Dead,
    /// Too many were asked for from one address, or wait.
    #[error("too many links were asked for")]
    TooMany { retry_after: Duration },
    /// Staff are told to ask a colleague.
    #[error("setting a password anew by link is turned off")]
    TurnedOff,
    /// Its owner has chosen a security question.
    #[error("the answer to the security question is wanted")]
    AnswerWanted,
    /// The question was answered anew while the old answer was looked at.
    #[error("the security question was changed meanwhile")]
    ChangedMeanwhile,
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// A request that waits to be looked up.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Request {
    pub id: ResetRequestId,
    address: Option<String>,
    request_id: Option<String>,
}

impl Request {
    /// In whose name the link is made: whoever asked, nobody known.
    pub fn caller(&self) -> Caller {
        let address = self.address.as_deref().and_then(|address| address.parse().ok());
        Caller { actor: Actor::Guest, address, request_id: self.request_id.clone() }
    }
}

/// Writes down that somebody forgot the password of `name`. Looks nothing up. Not `countable` is an address that may be a
/// proxy's: else one caller behind it would use up what everybody behind it may ask for.
pub async fn ask(
    cx: &mut Cx,
    audience: Audience,
    name: &str,
    countable: bool,
    settings: &Settings,
) -> Result<(), Error> {
    if audience == Audience::Staff && !settings.staff_password_reset {
        return Err(Error::TurnedOff);
    }
    let address = cx.caller().address;
    let network = address.filter(|_| countable).map(Network::of);
    let address = address.map(|address| address.to_string());
    let since = cx.now().minus(HOUR);
    if store::asked_from(cx, network, since).await? >= ASKED_PER_ADDRESS {
        return Err(Error::TooMany { retry_after: HOUR });
    }
    let most = if network.is_some() { QUEUE } else { QUEUE_UNCOUNTED };
    if store::count_waiting(cx, network.is_some(), most).await? >= most {
        return Err(Error::TooMany { retry_after: Duration::from_secs(60) });
    }
    let id = ResetRequestId::new(cx.now(), cx.chance());
    // No login is longer than an address; what is, means nobody. PostgreSQL's text holds no NUL.
    let name: String = fold(name.trim()).chars().filter(|c| *c != '\0').take(255).collect();
    store::insert_request(cx, id, audience, &name, address.as_deref(), network).await?;
    Ok(())
}

/// What was asked for and waits, the oldest first.
pub async fn waiting(reads: &mut impl Reads, most: i64) -> Result<Vec<Request>, db::Error> {
    store::waiting(reads.db(), most).await
}

/// Looks up who is meant, and sends them a link if they may have one. False if another node did it.
pub async fn resolve(cx: &mut Cx, id: ResetRequestId, settings: &Settings) -> Result<bool, db::Error> {
    let Some((audience, name)) = store::take_request(cx, id).await? else { return Ok(false) };
    let Some(login) = logins::find_by_name(cx, audience, &name).await? else { return Ok(true) };
    if login.disabled || (audience == Audience::Staff && !settings.staff_password_reset) {
        return Ok(true);
    }
    // Two at once for one person: the second finds the first one's link.
    logins::lock(cx, login.id).await?;
    let since = cx.now().minus(BETWEEN_MAILS);
    // Those that live longer nobody asked for.
    let (links, last_made) = store::good_links(cx, login.id, cx.now().minus(LIFETIME)).await?;
    if links >= LINKS || last_made.is_some_and(|at| at > since) {
        return Ok(true);
    }
    link(cx, &login).await?;
    Ok(true)
}

/// Makes a link and mails it. Those before live on, so that nobody's link dies because somebody else asked for another;
/// with the first that is used all of them die.
pub async fn link(cx: &mut Cx, login: &Login) -> Result<Token, db::Error> {
    let new = make(cx, login, LIFETIME, Mailed::Yes).await?;
    // Whose doing it was, if it was asked for: a colleague's address is not the owner's business.
    let address = cx.caller().address.filter(|_| cx.caller().actor == Actor::Guest);
    let mail = Mail::password_reset(login.recipient(), new.id, new.token.clone(), address, new.expires_at);
    cx.emit_and_mail(requested(login), mail).await?;
    Ok(new.token)
}

/// Makes a link for a user who has no password yet, and mails it. `account` is the name of the one that was made with
/// the user, or that they are on from now on.
///
/// `shown`: whoever had it made sees the link, too, so that using it does not prove whose the address is.
pub async fn set_password_link(
    cx: &mut Cx,
    login: &Login,
    account: Option<String>,
    shown: bool,
) -> Result<Token, db::Error> {
    let proves = if shown { Mailed::No } else { Mailed::Yes };
    let new = make(cx, login, FIRST_LIFETIME, proves).await?;
    let mail = Mail::set_password(login.recipient(), new.id, account, new.token.clone(), new.expires_at);
    cx.emit_and_mail(requested(login), mail).await?;
    Ok(new.token)
}

/// The same for whoever hands it over by themselves. It proves nobody's address.
pub async fn set_password_link_unmailed(cx: &mut Cx, login: &Login) -> Result<Token, db::Error> {
    let new = make(cx, login, FIRST_LIFETIME, Mailed::No).await?;
    cx.emit(requested(login)).await?;
    Ok(new.token)
}

struct NewLink {
    id: PasswordResetId,
    token: Token,
    expires_at: Timestamp,
}

/// Whether a link went to its owner's address and nowhere else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mailed {
    Yes,
    No,
}

async fn make(cx: &mut Cx, login: &Login, lifetime: Duration, mailed: Mailed) -> Result<NewLink, db::Error> {
    logins::lock(cx, login.id).await?;
    let (id, token) = (PasswordResetId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = cx.now().plus(lifetime);
    store::insert(cx, id, login.id, &token.hash(), expires_at, mailed == Mailed::Yes).await?;
    Ok(NewLink { id, token, expires_at })
}

fn requested(login: &Login) -> PasswordResetRequested {
    PasswordResetRequested { audience: login.audience, login_id: login.id }
}

/// A link that is good.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whose password it sets.
    pub login: Login,
    pub expires_at: Timestamp,
    /// What its owner is asked first.
    pub asked: Option<Chosen>,
}

/// What there is to a link. Spends nothing.
pub async fn lookup(reads: &mut impl Reads, token: &TokenHash) -> Result<Link, Error> {
    let now = reads.now();
    let (id, expires_at) = store::find(reads.db(), token, now).await?.ok_or(Error::Dead)?;
    let login = logins::find(reads, id).await?.filter(|login| !login.disabled).ok_or(Error::Dead)?;
    let asked = match login.audience {
        Audience::User => security_questions::chosen(reads, id).await?,
        Audience::Staff => None,
    };
    Ok(Link { login, expires_at, asked })
}

/// How an attempt to set a password ended. Either way the unit of work is to be committed: guesses count.
#[derive(Debug)]
pub enum Completed {
    Set(Box<Login>),
    /// The link is as good as before, for so many further answers.
    WrongAnswer {
        left: i64,
    },
}

/// Spends the link and sets the password. Every session of its owner ends, and nobody is logged in: the second factor is
/// still to be answered. Of any number at once, one sets it. Whoever is asked something has answered it, see
/// [`answer::Judged`].
pub async fn complete(
    cx: &mut Cx,
    token: &TokenHash,
    new: NewPassword,
    answered: Option<Judged>,
) -> Result<Completed, Error> {
    let now = cx.now();
    let (id, _) = store::find(cx.db(), token, now).await?.ok_or(Error::Dead)?;
    // First of all, like everybody who changes passwords and second factors: so nobody waits for one another.
    logins::lock(cx, id).await?;
    let Link { login, asked, .. } = lookup(cx, token).await?;
    if let Some(asked) = asked
        && let Some(left) = answer::count_and_judge(cx, token, &login, &asked, answered).await?
    {
        return Ok(Completed::WrongAnswer { left });
    }
    let (link, mailed) = store::spend(cx, token).await?.ok_or(Error::Dead)?;
    outbox::make_obsolete(cx, &link.to_string(), "the link was used").await?;
    if mailed && !login.email_verified {
        prove_address(cx, &login).await?;
    }
    limits::forgive(cx, login.id).await?;
    logins::set_password(cx, &login, new, PasswordChange::Reset, None).await?;
    Ok(Completed::Set(Box::new(login)))
}

/// A link that was mailed proves whose the address is. Whoever registered with it may have been somebody else.
async fn prove_address(cx: &mut Cx, login: &Login) -> Result<(), db::Error> {
    second_factor::remove_all(cx, login, RemovedBy::Owner).await?;
    logins::set_email_verified(cx, login.id, true).await?;
    if login.audience == Audience::User {
        let how = if login.password_hash.is_some() { "password_reset" } else { "set_password" };
        cx.emit(EmailVerified { user_id: login.id.of_user(), email: login.email.clone(), how }).await?;
    }
    Ok(())
}

/// Kills every link of somebody's, and the mail that still waits to bring it.
pub(crate) async fn forget(cx: &mut Cx, login: LoginId) -> Result<(), db::Error> {
    for id in store::delete_all(cx, login).await? {
        outbox::make_obsolete(cx, &id.to_string(), "the link is no longer good").await?;
    }
    Ok(())
}

/// Clears away what is over.
pub async fn tidy(cx: &mut Cx) -> Result<(), db::Error> {
    let since = cx.now().minus(HOUR);
    store::tidy(cx, since).await
}

#[cfg(test)]
mod tests;
