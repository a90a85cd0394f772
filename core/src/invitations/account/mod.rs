//! Invitations to an account: its owner or staff invite, and whoever has the link accepts, as the user they are or as a new
//! one with whatever address. Accepting proves nobody's address.

mod accept;
pub mod bulk;
mod store;

use std::time::Duration;

use super::{Dates, Error, Kind, LIFETIME, Need, Status, renew, withdraw};
use crate::{
    accounts::{self, Account, AccountPermissions, By, locked_by},
    cx::{Cx, Reads},
    db,
    event::{InvitationCancelled, InvitationCreated, InvitationResent},
    ids::{AccountId, InvitationId, StaffId, UserId},
    invalid::{self, Invalid, fold_email},
    logins,
    outbox::{Mail, MailContent, Recipient},
    page::{Page, PageRequest},
    rates,
    secret::Token,
    settings::Settings,
    staff,
    time::Timestamp,
};

pub use accept::{Acceptance, Accepted, accept};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An invitation to an account.
#[derive(Clone, Debug)]
pub struct AccountInvitation {
    pub id: InvitationId,
    /// Where the link was mailed to. Whoever accepts may have another address.
    pub email: String,
    pub language: String,
    pub account: AccountId,
    pub account_name: String,
    pub permissions: AccountPermissions,
    /// Who answers for it: whoever invited, or sent it last.
    pub invited_by: Option<Inviter>,
    /// Whether they still may, and the account is open. Else the link is dead until somebody who may sends it anew.
    pub vouched: bool,
    pub dates: Dates,
    pub user_id: Option<UserId>,
}

/// Who invited to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inviter {
    Staff(StaffId),
    /// The account's owner, at that time.
    Owner(UserId),
}

/// Whom to invite, to do what.
#[derive(Clone, Debug)]
pub struct NewAccountInvitation {
    pub email: String,
    pub permissions: AccountPermissions,
    pub language: Option<String>,
}

/// An invitation together with its link's token, for the one answer that may carry it.
#[derive(Clone, Debug)]
pub struct Link {
    pub invitation: AccountInvitation,
    pub token: Token,
}

impl AccountInvitation {
    pub fn status(&self, now: Timestamp) -> Status {
        self.dates.status(now)
    }

    /// What a new user must give. An existing one logs in instead.
    pub fn needs(&self) -> Vec<Need> {
        vec![Need::Email, Need::FirstName, Need::LastName, Need::Password]
    }

    pub(super) fn check(&self, now: Timestamp) -> Result<(), Error> {
        self.dates.check(now)?;
        if self.vouched { Ok(()) } else { Err(Error::Unvouched) }
    }
}

impl NewAccountInvitation {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            email: invalid.take("email", invalid::email(&self.email)),
            permissions: self.permissions,
            language: self.language.map(|tag| invalid.take("language", invalid::language(&tag))),
        };
        invalid.ok().map(|()| checked)
    }
}

impl By<'_> {
    fn inviter(self) -> Option<Inviter> {
        match self {
            Self::Staff(authority) => authority.staff().map(Inviter::Staff),
            Self::Owner(user) | Self::User(user, _) => Some(Inviter::Owner(user)),
        }
    }
}

pub async fn find(reads: &mut impl Reads, id: InvitationId) -> Result<AccountInvitation, Error> {
    store::find(reads.db(), id).await?.ok_or(Error::Unknown)
}

/// One of an account's; another account's is not found.
pub async fn find_of(
    reads: &mut impl Reads,
    account: AccountId,
    id: InvitationId,
) -> Result<AccountInvitation, Error> {
    let found = store::find(reads.db(), id).await?;
    found.filter(|invitation| invitation.account == account).ok_or(Error::Unknown)
}

/// An account's, the newest first. Without a status: those that can still be acted on, pending and expired.
pub async fn list(
    reads: &mut impl Reads,
    account: AccountId,
    status: Option<Status>,
    request: &PageRequest,
) -> Result<Page<AccountInvitation>, db::Error> {
    let now = reads.now();
    let total = request.total(reads.db(), store::select_one(account, status, now)).await?;
    let rows = store::list(reads.db(), account, status, now, request).await?;
    Ok(request.page(rows, total, |row| (row.dates.created_at, row.id.into())))
}

/// Invites somebody to an account.
pub async fn invite(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    new: NewAccountInvitation,
    settings: &Settings,
) -> Result<Link, Error> {
    let account = open_account(cx, by, account, settings).await?;
    invite_one(cx, by, &account, new, settings).await
}

/// The account, held, for whoever may invite to it as things stand.
async fn open_account(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    settings: &Settings,
) -> Result<Account, Error> {
    if !matches!(by, By::Staff(_)) && !settings.client_user_management {
        return Err(accounts::Error::TurnedOff.into());
    }
    let account = locked_by(cx, by, account).await?;
    if account.status == accounts::Status::Closed {
        return Err(accounts::Error::Closed.into());
    }
    Ok(account)
}

/// Whether one more may be invited to an account, which is held: today, and at once.
async fn refuse_full(cx: &mut Cx, account: AccountId, settings: &Settings) -> Result<(), Error> {
    refuse_too_many_pending(cx, account, settings).await?;
    let most = settings.invitations_per_day.into();
    let counted = rates::count(cx, &format!("invite {account}"), most, DAY).await?;
    counted.map_err(|retry_after| Error::TooMany { retry_after })
}

/// However many accounts somebody owns, they send so many invitations to one address in a day.
const MOST_TO_ONE: i64 = 10;

async fn refuse_flood(cx: &mut Cx, by: By<'_>, folded: &str) -> Result<(), Error> {
    if matches!(by, By::Staff(_)) {
        return Ok(());
    }
    let counted = rates::count(cx, &format!("invited {folded}"), MOST_TO_ONE, DAY).await?;
    counted.map_err(|retry_after| Error::TooMany { retry_after })
}

async fn refuse_too_many_pending(cx: &mut Cx, account: AccountId, settings: &Settings) -> Result<(), Error> {
    let now = cx.now();
    if store::count_pending(cx.db(), account, now).await? >= i64::from(settings.invitations_pending) {
        return Err(Error::TooManyPending { most: settings.invitations_pending });
    }
    Ok(())
}

async fn invite_one(
    cx: &mut Cx,
    by: By<'_>,
    account: &Account,
    new: NewAccountInvitation,
    settings: &Settings,
) -> Result<Link, Error> {
    let NewAccountInvitation { email, permissions, language } = new;
    let folded = fold_email(&email);
    if store::has_user_with(cx, account.id, &folded).await? {
        return Err(accounts::Error::OnAccountAlready.into());
    }
    if store::is_pending(cx, account.id, &folded).await? {
        return Err(Error::AlreadyInvited);
    }
    refuse_full(cx, account.id, settings).await?;
    refuse_flood(cx, by, &folded).await?;
    let (id, token) = (InvitationId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let language = language.unwrap_or_else(|| settings.default_language().to_owned());
    let expires_at = cx.now().plus(LIFETIME);
    let (staff, user) = match by.inviter() {
        Some(Inviter::Staff(id)) => (Some(id), None),
        Some(Inviter::Owner(id)) => (None, Some(id)),
        None => (None, None),
    };
    super::store::insert(cx, id, Kind::Account, &token.hash(), &email, &language, staff, expires_at).await?;
    store::insert_part(cx, id, account.id, permissions, &folded, user).await?;
    let invitation = find(cx, id).await?;
    let created = InvitationCreated {
        invitation_id: id,
        kind: Kind::Account.as_str(),
        email: Some(email),
        role: None,
        account_id: Some(account.id),
        permissions: permissions.words(),
    };
    let mail = mail(cx, &invitation, &token).await?;
    cx.emit_and_mail(created, mail).await?;
    Ok(Link { invitation, token })
}

/// An invitation of an account's, held, that can still be acted on, by whoever may as things stand.
async fn open(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    id: InvitationId,
    settings: &Settings,
) -> Result<AccountInvitation, Error> {
    // The invitation first, then the account: so does whoever accepts.
    super::store::lock(cx, id).await?;
    open_account(cx, by, account, settings).await?;
    let invitation = find_of(cx, account, id).await?;
    invitation.dates.refuse_over(cx.now())?;
    Ok(invitation)
}

/// Makes a new link, good for seven days, and kills the old one, expired or not.
pub async fn resend(
    cx: &mut Cx,
    by: By<'_>,
    account: AccountId,
    id: InvitationId,
    settings: &Settings,
) -> Result<Link, Error> {
    let before = open(cx, by, account, id, settings).await?;
    let wait = Duration::from_secs(settings.invitation_resend_seconds.into());
    let since = cx.now().since(before.dates.sent_at);
    if since < wait {
        return Err(Error::TooMany { retry_after: wait.saturating_sub(since) });
    }
    if before.status(cx.now()) == Status::Expired {
        // One more is pending from now on.
        refuse_too_many_pending(cx, account, settings).await?;
    }
    refuse_flood(cx, by, &fold_email(&before.email)).await?;
    let token = renew(cx, id).await?;
    store::vouch(cx, id, by.inviter()).await?;
    let invitation = find(cx, id).await?;
    let resent = InvitationResent {
        invitation_id: id,
        kind: Kind::Account.as_str(),
        email: Some(invitation.email.clone()),
        account_id: Some(account),
    };
    let mail = mail(cx, &invitation, &token).await?;
    cx.emit_and_mail(resent, mail).await?;
    Ok(Link { invitation, token })
}

/// Kills an invitation's link.
pub async fn cancel(cx: &mut Cx, by: By<'_>, account: AccountId, id: InvitationId) -> Result<(), Error> {
    super::store::lock(cx, id).await?;
    locked_by(cx, by, account).await?;
    let invitation = find_of(cx, account, id).await?;
    invitation.dates.refuse_over(cx.now())?;
    withdraw(cx, id).await?;
    cx.emit(InvitationCancelled {
        invitation_id: id,
        kind: Kind::Account.as_str(),
        email: Some(invitation.email),
        account_id: Some(account),
    })
    .await?;
    Ok(())
}

/// The account that an invitation is to, if it is to one.
pub(super) async fn account_of(cx: &mut Cx, id: InvitationId) -> Result<Option<AccountId>, db::Error> {
    Ok(store::find(cx.db(), id).await?.map(|invitation| invitation.account))
}

/// How many can be accepted at this moment.
pub(crate) async fn count_pending_to(
    reads: &mut impl Reads,
    account: AccountId,
    now: Timestamp,
) -> Result<i64, db::Error> {
    store::count_pending(reads.db(), account, now).await
}

/// Holds all that lead to an account until the transaction ends.
pub(crate) async fn hold_all_to(cx: &mut Cx, account: AccountId) -> Result<Vec<InvitationId>, db::Error> {
    store::hold_all_to(cx, account).await
}

pub(crate) async fn delete_all_to(cx: &mut Cx, account: AccountId) -> Result<(), db::Error> {
    store::delete_all_to(cx, account).await
}

async fn mail(cx: &mut Cx, invitation: &AccountInvitation, token: &Token) -> Result<Mail, db::Error> {
    let inviter = match invitation.invited_by {
        Some(Inviter::Staff(id)) => {
            staff::find(cx, id).await?.map(|staff| format!("{} {}", staff.first_name, staff.last_name))
        }
        Some(Inviter::Owner(id)) => logins::find(cx, id).await?.map(|login| login.recipient().name),
        None => None,
    };
    let expires_at = invitation.dates.expires_at;
    // Whoever is known is written to in their language, which the inviter does not learn.
    let known = logins::find_by_name(cx, logins::Audience::User, &invitation.email).await?;
    let language = known.map_or_else(|| invitation.language.clone(), |login| login.language);
    Ok(Mail {
        content: MailContent::AccountInvitation {
            invitation_id: invitation.id,
            inviter,
            account: invitation.account_name.clone(),
            expires_at,
        },
        recipient: Recipient { name: String::new(), address: invitation.email.clone(), language },
        token: Some(token.clone()),
        useful_until: expires_at,
    })
}
