//! Accepting an invitation to an account.

use super::{AccountInvitation, find};
use crate::{
    accounts::members::{self, AddedBy},
    cx::Cx,
    event::InvitationAccepted,
    ids::UserId,
    invitations::{Error, Kind, spend},
    logins::Login,
    outbox,
    password::PasswordHash,
    secret::TokenHash,
    settings::Settings,
    users::{self, CreatedBy, NewUser, verification},
};

/// As whom somebody accepts.
#[derive(Debug)]
pub enum Acceptance {
    /// Who is logged in.
    Existing(UserId),
    /// Who registers in the same step. The password was judged before it was hashed.
    New(NewUser, PasswordHash),
}

/// Who is on the account now, and by which invitation.
#[derive(Debug)]
pub struct Accepted {
    pub login: Login,
    pub invitation: AccountInvitation,
}

/// Spends the link and puts whoever accepts on the account. Of any number at once, one succeeds.
pub async fn accept(
    cx: &mut Cx,
    token: &TokenHash,
    acceptance: Acceptance,
    settings: &Settings,
) -> Result<Accepted, Error> {
    let id = spend(cx, token, Kind::Account).await?;
    let invitation = find(cx, id).await?;
    if !invitation.vouched {
        return Err(Error::Unvouched);
    }
    let login = match acceptance {
        Acceptance::Existing(user) => users::locked(cx, user).await.map_err(user_error)?,
        Acceptance::New(user, password) => {
            users::refuse_blocked("user.email", &user.email, settings)?;
            let (how, language) = (CreatedBy::Invitation, &invitation.language);
            let login = users::create(cx, user, Some(password), how, language).await.map_err(user_error)?;
            cx.act_as(login.actor());
            verification::send(cx, &login).await?;
            login
        }
    };
    let user = login.id.of_user();
    let how = AddedBy::Invitation;
    members::add(cx, invitation.account, &login, invitation.permissions, how).await?;
    super::store::set_user(cx, id, user).await?;
    outbox::make_obsolete(cx, &id.to_string(), "the link was used").await?;
    cx.emit(InvitationAccepted {
        invitation_id: id,
        kind: Kind::Account.as_str(),
        email: login.email.clone(),
        staff_id: None,
        username: None,
        account_id: Some(invitation.account),
        user_id: Some(user),
    })
    .await?;
    Ok(Accepted { login, invitation })
}

fn user_error(error: users::Error) -> Error {
    match error {
        users::Error::EmailTaken => Error::EmailTaken,
        users::Error::TooMany { retry_after } => Error::TooMany { retry_after },
        users::Error::Db(error) => Error::Db(error),
        error => Error::Account(error.into()),
    }
}
