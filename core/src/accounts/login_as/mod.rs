//! An admin comes in as a user, to see what they see. The session is marked, cannot change how the user logs in nor who
//! is on the account, and ends with the admin's.

mod store;

use std::time::Duration;

use super::{Error as AccountError, Status, find, members};
use crate::{
    cx::{Actor, Cx, Reads as _},
    db,
    event::AccountLoginAsOpened,
    ids::{AccountId, LoginAsLinkId, StaffId, UserId},
    logins,
    outbox::{Mail, Notice},
    secret::{Token, TokenHash},
    sessions::{self, Authenticated, Client, Started},
    settings::Settings,
};

/// How long a link lives, to the millisecond.
pub const LIFETIME: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Never made, used, too old; or the admin, the user or the account is gone or shut.
    #[error("the link is not good, or no longer")]
    Dead,
    #[error(transparent)]
    Account(#[from] AccountError),
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// Who came in as whom.
#[derive(Clone, Debug)]
pub struct Opened {
    pub staff: StaffId,
    pub user: UserId,
    pub account: AccountId,
    pub session: Started,
}

/// Makes a link for an admin with this session to come in as a user of an account: its owner, unless another one is
/// named.
pub async fn open(
    cx: &mut Cx,
    by: &Authenticated,
    account: AccountId,
    user: Option<UserId>,
) -> Result<Token, Error> {
    let of = find(cx, account).await?.ok_or(AccountError::Unknown)?;
    if of.status == Status::Closed {
        return Err(AccountError::Closed.into());
    }
    let user = user.unwrap_or(of.owner_id);
    let found = members::find(cx, account, user).await?.ok_or(AccountError::NotOnAccount)?;
    if found.disabled {
        return Err(AccountError::UserDisabled.into());
    }
    let (id, token) = (LoginAsLinkId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = cx.now().plus(LIFETIME);
    store::clear(cx).await?;
    store::insert(cx, id, &token.hash(), by.session, account, user, expires_at).await?;
    cx.emit(AccountLoginAsOpened { account_id: account, user_id: user }).await?;
    Ok(token)
}

/// Spends the link: of any number at once, one comes in. The user is told.
pub async fn enter(
    cx: &mut Cx,
    token: &TokenHash,
    client: &Client,
    settings: &Settings,
    seen: impl Fn(crate::ids::SessionId) -> Option<crate::time::Timestamp>,
) -> Result<Opened, Error> {
    let link = store::spend(cx, token).await?.ok_or(Error::Dead)?;
    let opener = sessions::opener(cx, link.opened_by, settings, seen).await?.ok_or(Error::Dead)?;
    let login = logins::find(cx, link.user_id).await?.ok_or(Error::Dead)?;
    let account = find(cx, link.account_id).await?.ok_or(Error::Dead)?;
    let is_on = members::find(cx, link.account_id, link.user_id).await?.is_some();
    if login.disabled || account.status == Status::Closed || !is_on {
        return Err(Error::Dead);
    }
    let (staff, user) = (opener.staff(), link.user_id);
    cx.act_as(Actor::StaffAsUser(staff, user));
    let session = sessions::start_as(cx, &login, &opener, account.id, client).await?;
    let notice = Notice::LoggedInAs { account: account.profile.name };
    let mail = Mail::notice(cx, login.recipient(), notice);
    sessions::tell_started_as(cx, &login, session.session, mail).await?;
    Ok(Opened { staff, user, account: account.id, session })
}
