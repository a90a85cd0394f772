//! What becomes of a login once its password has been looked at.

use super::{Client, Error, Method, Started, challenge, refuse, start};
use crate::{
    cx::Cx,
    db,
    limits::{self, Attempt, Step},
    logins::{self, Login},
    password::Verdict,
    second_factor,
    settings::Settings,
};

/// How a password was taken. Either way the unit of work is to be committed: wrong ones count.
#[derive(Debug)]
pub enum Entered {
    In(Box<Login>, Started),
    /// The password was right; the second factor is still to be proved, with one of these.
    Challenged(Box<Login>, Started, Vec<Method>),
    Refused,
}

/// Lets in whoever gave the right password, asks them for their second factor, or refuses them. `found` is the login
/// whose password `verdict` is about: if it has another one by now, the verdict is void.
pub async fn enter(
    cx: &mut Cx,
    attempt: &Attempt,
    found: Option<&Login>,
    verdict: Verdict,
    client: &Client,
    settings: &Settings,
) -> Result<Entered, db::Error> {
    match (found, verdict) {
        (Some(found), verdict @ (Verdict::Right | Verdict::Outdated(_))) => {
            logins::lock(cx, found.id).await?;
            let login = logins::find(cx, found.id).await?;
            let Some(login) =
                login.filter(|login| !login.disabled && login.password_hash == found.password_hash)
            else {
                return refused(cx, attempt, settings).await;
            };
            if let (Verdict::Outdated(new), Some(old)) = (verdict, &login.password_hash) {
                logins::upgrade_hash(cx, login.id, old, &new).await?;
            }
            proceed(cx, attempt, login, client, settings).await
        }
        _ => refused(cx, attempt, settings).await,
    }
}

async fn proceed(
    cx: &mut Cx,
    attempt: &Attempt,
    login: Login,
    client: &Client,
    settings: &Settings,
) -> Result<Entered, db::Error> {
    let methods = second_factor::methods(cx, login.id).await?;
    let entered = if methods.is_empty() {
        limits::succeeded(cx, attempt).await?;
        start(cx, &login, Method::Password, client, settings)
            .await
            .map(|started| Entered::In(Box::new(login), started))
    } else {
        // Counted as a success only when the second factor is right, too: else each right password would buy guesses.
        challenge(cx, &login, client)
            .await
            .map(|started| Entered::Challenged(Box::new(login), started, methods))
    };
    match entered {
        Err(Error::Refused) => Ok(Entered::Refused),
        Err(Error::Db(error)) => Err(error),
        Ok(entered) => Ok(entered),
    }
}

async fn refused(cx: &mut Cx, attempt: &Attempt, settings: &Settings) -> Result<Entered, db::Error> {
    limits::failed(cx, settings, attempt).await?;
    refuse(cx, attempt.audience, attempt.login, Step::Password).await?;
    Ok(Entered::Refused)
}
