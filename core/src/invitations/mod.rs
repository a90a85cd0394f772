//! Invitations: one-time links that bring people in.
//!
//! What is the same for every kind stands in the `invitations` table (link, expiry, spending) and in this module; what a
//! member of staff will be, in `staff_invitations` and [`staff`]; what a user may do on an account, in
//! `account_invitations` and [`account`]. Looking at a link spends nothing; [`accept_staff`] and [`account::accept`] do.

mod accept;
pub mod account;
mod first;
mod staff;
mod store;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    accounts, authority,
    cx::{Cx, Reads},
    db::{self, Sql},
    departments,
    event::InvitationCancelled,
    ids::{InvitationId, RoleId, StaffId},
    invalid::Invalid,
    logins, outbox,
    page::PageRequest,
    roles::Rights,
    secret::{Token, TokenHash},
    staff::{Filter, GiveError},
    text_enum::text_enum,
    time::Timestamp,
};

pub use accept::{Accepted, StaffAcceptance, accept_staff};
pub use account::AccountInvitation;
pub(crate) use account::{count_pending_to, delete_all_to, hold_all_to};
pub use first::first_administrator;
pub use staff::{
    Link, NewStaffInvitation, StaffInvitationChange, cancel, change_staff, find, invite_staff, list, resend,
};

/// How long a link lives, to the millisecond: at this age it is dead.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long the first administrator's link lives.
pub const FIRST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// An invitation to become a member of staff.
#[derive(Clone, Debug)]
pub struct StaffInvitation {
    pub id: InvitationId,
    /// None only for the first administrator, whom nobody knows yet.
    pub email: Option<String>,
    pub language: String,
    /// None once it is over and the role deleted.
    pub role: Option<InvitedAs>,
    /// What the inviter chose, if anything; the invitee then cannot.
    pub username: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// Who answers for it: whoever invited, or sent or changed it last.
    pub invited_by: Option<StaffId>,
    /// Whether they still work here and may give the role. Else the link is dead until somebody who may sends it anew.
    pub vouched: bool,
    pub dates: Dates,
    pub staff_id: Option<StaffId>,
}

/// How far an invitation got, of whatever kind.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Dates {
    pub created_at: Timestamp,
    /// When the link in force was made.
    pub sent_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub cancelled_at: Option<Timestamp>,
}

text_enum! {
    /// To what somebody is invited.
    #[schemars(rename = "InvitationKind")]
    pub enum Kind {
        Staff => "staff",
        Account => "account",
    }
}

/// An invitation of either kind.
#[derive(Clone, Debug)]
pub enum Invitation {
    Staff(Box<StaffInvitation>),
    Account(Box<AccountInvitation>),
}

/// The role that somebody is invited to.
#[derive(Clone, Debug)]
pub struct InvitedAs {
    pub id: RoleId,
    pub name: String,
    pub rights: Rights,
}

/// What became of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "InvitationState")]
pub enum Status {
    Pending,
    Expired,
    Accepted,
    Cancelled,
}

/// Something that the invitee must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "InvitationNeed")]
pub enum Need {
    Email,
    FirstName,
    LastName,
    Username,
    Password,
}

impl Dates {
    pub fn status(&self, now: Timestamp) -> Status {
        if self.accepted_at.is_some() {
            Status::Accepted
        } else if self.cancelled_at.is_some() {
            Status::Cancelled
        } else if self.expires_at <= now {
            Status::Expired
        } else {
            Status::Pending
        }
    }

    /// Whether the link still works.
    fn check(&self, now: Timestamp) -> Result<(), Error> {
        match self.status(now) {
            Status::Pending => Ok(()),
            Status::Expired => Err(Error::Expired),
            Status::Accepted => Err(Error::Used),
            Status::Cancelled => Err(Error::Cancelled),
        }
    }

    /// Whether it can still be sent anew, changed or cancelled.
    fn refuse_over(&self, now: Timestamp) -> Result<(), Error> {
        match self.status(now) {
            Status::Pending | Status::Expired => Ok(()),
            Status::Accepted => Err(Error::Used),
            Status::Cancelled => Err(Error::Cancelled),
        }
    }
}

impl StaffInvitation {
    pub fn status(&self, now: Timestamp) -> Status {
        self.dates.status(now)
    }

    /// What the invitee must still give.
    pub fn needs(&self) -> Vec<Need> {
        let missing = [
            (Need::Email, self.email.is_none()),
            (Need::FirstName, self.first_name.is_none()),
            (Need::LastName, self.last_name.is_none()),
            (Need::Username, self.username.is_none()),
            (Need::Password, true),
        ];
        missing.into_iter().filter(|(_, is)| *is).map(|(need, _)| need).collect()
    }

    fn check(&self, now: Timestamp) -> Result<(), Error> {
        self.dates.check(now)?;
        if self.vouched { Ok(()) } else { Err(Error::Unvouched) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such invitation")]
    Unknown,
    #[error("the invitation was accepted before")]
    Used,
    #[error("the invitation has expired")]
    Expired,
    #[error("a newer link took the place of this one")]
    Replaced,
    #[error("the invitation was cancelled")]
    Cancelled,
    /// Whoever invited is gone, or may no longer give that role.
    #[error("nobody answers for the invitation any more")]
    Unvouched,
    #[error("some fields are wrong")]
    Invalid(Invalid),
    #[error(transparent)]
    Refused(#[from] authority::Refused),
    #[error("somebody has that username")]
    UsernameTaken,
    #[error("somebody has that email address")]
    EmailTaken,
    #[error("an invitation to that address is pending")]
    AlreadyInvited,
    /// Too many for an account, or this one was sent a moment ago.
    #[error("too many invitations")]
    TooMany { retry_after: Duration },
    /// As many as may wait at once do.
    #[error("too many invitations are pending")]
    TooManyPending { most: u32 },
    #[error(transparent)]
    Account(#[from] accounts::Error),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<GiveError> for Error {
    fn from(error: GiveError) -> Self {
        match error {
            GiveError::Invalid(invalid) => Self::Invalid(invalid),
            GiveError::Refused(refused) => Self::Refused(refused),
            GiveError::Db(error) => Self::Db(error),
        }
    }
}

impl From<departments::SetError> for Error {
    fn from(error: departments::SetError) -> Self {
        match error {
            departments::SetError::Invalid(invalid) => Self::Invalid(invalid),
            departments::SetError::Db(error) => Self::Db(error),
        }
    }
}

impl From<logins::Error> for Error {
    fn from(error: logins::Error) -> Self {
        match error {
            logins::Error::UsernameTaken => Self::UsernameTaken,
            logins::Error::EmailTaken => Self::EmailTaken,
            logins::Error::Db(error) => Self::Db(error),
        }
    }
}

/// The invitation behind a link, if the link still works. Spends nothing.
pub async fn lookup(reads: &mut impl Reads, token: &TokenHash) -> Result<Invitation, Error> {
    let now = reads.now();
    match store::kind_of(reads.db(), token).await? {
        Some((id, Kind::Staff)) => {
            let invitation = store::find(reads.db(), id).await?.ok_or(Error::Unknown)?;
            invitation.check(now)?;
            refuse_second_first(reads, &invitation).await?;
            Ok(Invitation::Staff(Box::new(invitation)))
        }
        Some((id, Kind::Account)) => {
            let invitation = account::find(reads, id).await?;
            invitation.check(now)?;
            Ok(Invitation::Account(Box::new(invitation)))
        }
        None if store::was_replaced(reads.db(), token).await? => Err(Error::Replaced),
        None => Err(Error::Unknown),
    }
}

/// Makes a new link and kills the old one, with the mail that waits to bring it.
async fn renew(cx: &mut Cx, id: InvitationId) -> Result<Token, Error> {
    let token = Token::new(cx.chance());
    let expires_at = cx.now().plus(LIFETIME);
    if !store::replace_token(cx, id, &token.hash(), expires_at).await? {
        return Err(Error::Used);
    }
    outbox::make_obsolete(cx, &id.to_string(), "a newer link took its place").await?;
    Ok(token)
}

/// Spends a link of that kind: of any number at once, one does.
async fn spend(cx: &mut Cx, token: &TokenHash, kind: Kind) -> Result<InvitationId, Error> {
    match store::spend(cx, token, kind).await? {
        Some(id) => Ok(id),
        // Why not? The answer of the look-up; a link that works for it was spent between the two statements.
        None => Err(lookup(cx, token).await.err().unwrap_or(Error::Used)),
    }
}

/// Kills the link of an invitation that is held, and the mail that waits to bring it.
async fn withdraw(cx: &mut Cx, id: InvitationId) -> Result<(), db::Error> {
    store::cancel(cx, id).await?;
    outbox::make_obsolete(cx, &id.to_string(), "the invitation was cancelled").await
}

/// Cancels what a member of staff invited who is going for good: nobody would answer for it.
pub(crate) async fn cancel_all_of(cx: &mut Cx, inviter: StaffId) -> Result<(), db::Error> {
    for (invitation_id, kind, email) in store::open_of(cx, inviter).await? {
        withdraw(cx, invitation_id).await?;
        let account_id = account::account_of(cx, invitation_id).await?;
        cx.emit(InvitationCancelled { invitation_id, kind: kind.as_str(), email, account_id }).await?;
    }
    Ok(())
}

/// The first administrator's link, which stands in a log, is dead once anybody is there, however they came in.
async fn refuse_second_first(reads: &mut impl Reads, invitation: &StaffInvitation) -> Result<(), Error> {
    if invitation.email.is_none() && store::staff_exists(reads.db()).await? {
        return Err(Error::Cancelled);
    }
    Ok(())
}

/// Those that can still be accepted or resent, as a list of staff shows them. The first administrator's belongs to
/// nobody and is not among them.
pub(crate) async fn open(
    reads: &mut impl Reads,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Vec<StaffInvitation>, db::Error> {
    store::open(reads.db(), filter, request).await
}

/// Ends a statement that counts them.
pub(crate) fn select_open(sql: &mut Sql, filter: &Filter) {
    store::open_ones(sql, filter);
}

#[cfg(test)]
mod tests;
