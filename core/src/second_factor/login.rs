//! Answering a challenge: the second half of a login.

use super::{
    Enrolled,
    keys::{self, KeyAnswer},
    recovery_codes, totp,
};
use crate::{
    cx::{Cx, Reads},
    db,
    ids::LoginId,
    limits::{self, Attempt, Step},
    logins::{self, Audience, Login},
    password::RecoveryHash,
    secret::TokenHash,
    sessions::{self, Client, Method, Started},
    settings::Settings,
};

/// What somebody answers a challenge with.
#[derive(Debug)]
pub enum Answer {
    Totp(String),
    /// None: what was typed is no recovery code at all.
    Recovery(Option<RecoveryHash>),
    SecurityKey(Box<KeyAnswer>),
}

impl Answer {
    fn method(&self) -> Method {
        match self {
            Self::Totp(_) => Method::Totp,
            Self::Recovery(_) => Method::Recovery,
            Self::SecurityKey(_) => Method::SecurityKey,
        }
    }
}

/// How an answer was taken. Either way the unit of work is to be committed: wrong answers count.
#[derive(Debug)]
pub enum Passed {
    In(Box<Login>, Started),
    Wrong,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such challenge: answered before, too old, or never given.
    #[error("the challenge is over")]
    Over,
    #[error(transparent)]
    Limited(#[from] limits::Refused),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// With what somebody can answer.
pub async fn methods(reads: &mut impl Reads, login: LoginId) -> Result<Vec<Method>, db::Error> {
    let Enrolled { totp, security_keys, recovery_codes_left } = super::enrolled(reads, login).await?;
    let offered = [
        (Method::SecurityKey, security_keys > 0),
        (Method::Totp, totp),
        (Method::Recovery, (totp || security_keys > 0) && recovery_codes_left > 0),
    ];
    Ok(offered.into_iter().filter(|(_, is)| *is).map(|(method, _)| method).collect())
}

/// Answers a challenge. Guesses are counted before they are looked at, one at a time per login, across challenges.
/// Of any number at once with the same challenge, code or signature, one comes in.
pub async fn pass(
    cx: &mut Cx,
    audience: Audience,
    challenge: &TokenHash,
    answer: Answer,
    client: &Client,
    countable: bool,
    settings: &Settings,
) -> Result<Passed, Error> {
    let (session, login) = sessions::challenged(cx, audience, challenge).await?.ok_or(Error::Over)?;
    // One guess at a time, and before the session's row, in the order of everybody who changes logins.
    logins::lock(cx, login).await?;
    if sessions::challenged(cx, audience, challenge).await?.is_none() {
        // Answered while this one waited: no guess.
        return Err(Error::Over);
    }
    let login = logins::find(cx, login).await?.ok_or(Error::Over)?;
    let attempt = Attempt {
        audience,
        name: login.display_name().to_lowercase(),
        login: Some(login.id),
        step: Step::Code,
        address: client.address,
        countable,
    };
    limits::guess(cx, settings, &attempt).await?;
    let method = answer.method();
    let right = match answer {
        Answer::Totp(code) => totp::spend(cx, login.id, &code).await?,
        Answer::Recovery(Some(hash)) => recovery_codes::spend(cx, &login, &hash).await?,
        Answer::Recovery(None) => false,
        Answer::SecurityKey(response) => keys::spend(cx, session, login.id, *response).await?,
    };
    if !right {
        limits::failed(cx, settings, &attempt).await?;
        sessions::refuse(cx, audience, Some(login.id), Step::Code).await?;
        return Ok(Passed::Wrong);
    }
    if !sessions::spend_challenge(cx, session).await? {
        return Err(Error::Over);
    }
    limits::succeeded(cx, &attempt).await?;
    // The password was right as well, and counts as such only now.
    limits::succeeded(cx, &Attempt { step: Step::Password, ..attempt }).await?;
    match sessions::start(cx, &login, method, client, settings).await {
        Ok(started) => Ok(Passed::In(Box::new(login), started)),
        Err(sessions::Error::Refused) => Err(Error::Over),
        Err(sessions::Error::Db(error)) => Err(error.into()),
    }
}
