//! What those who may invite do with staff invitations.

use super::{Error, InvitedAs, Kind, LIFETIME, StaffInvitation, Status, renew, store, withdraw};
use crate::{
    authority::Authority,
    cx::{Cx, Reads},
    db,
    departments::{self, MemberOf, Membership},
    event::{Changes, InvitationCancelled, InvitationCreated, InvitationEdited, InvitationResent},
    ids::{InvitationId, RoleId},
    invalid::{self, Checked, Invalid},
    logins::{self, Audience},
    outbox::{Mail, MailContent, Recipient},
    page::{Page, PageRequest},
    roles::Role,
    secret::Token,
    staff::{self as people, role_to_give},
};

/// Whom to invite, as what.
#[derive(Clone, Debug)]
pub struct NewStaffInvitation {
    pub email: String,
    pub role_id: RoleId,
    pub username: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub language: Option<String>,
    pub departments: Vec<Membership>,
}

/// What to change: the outer `None` leaves a field alone, the inner one clears it.
#[derive(Clone, Debug, Default)]
pub struct StaffInvitationChange {
    pub email: Option<String>,
    pub role_id: Option<RoleId>,
    pub username: Option<Option<String>>,
    pub first_name: Option<Option<String>>,
    pub last_name: Option<Option<String>>,
    pub language: Option<String>,
    pub departments: Option<Vec<Membership>>,
}

/// An invitation together with its link's token, for the one answer that may carry it.
#[derive(Clone, Debug)]
pub struct Link {
    pub invitation: StaffInvitation,
    pub token: Token,
}

/// The first administrator's is not found: it belongs to nobody, and `frontdesk serve` prints it.
pub async fn find(reads: &mut impl Reads, id: InvitationId) -> Result<StaffInvitation, Error> {
    let found = store::find(reads.db(), id).await?;
    found.filter(|invitation| invitation.email.is_some()).ok_or(Error::Unknown)
}

/// The newest first. Without a status: those that can still be acted on, pending and expired.
pub async fn list(
    reads: &mut impl Reads,
    status: Option<Status>,
    request: &PageRequest,
) -> Result<Page<StaffInvitation>, db::Error> {
    let now = reads.now();
    let total = request.total(reads.db(), store::select_one(status, now)).await?;
    let rows = store::list(reads.db(), status, now, request).await?;
    Ok(request.page(rows, total, |row| (row.dates.created_at, row.id.into())))
}

impl NewStaffInvitation {
    /// The same with every field in its kept form. Before the unit of work, which has better things to wait for.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let checked = Self {
            email: invalid.take("email", invalid::email(&self.email)),
            role_id: self.role_id,
            username: self.username.map(|name| invalid.take("username", invalid::username(&name))),
            first_name: self.first_name.map(|name| invalid.take("first_name", invalid::person_name(&name))),
            last_name: self.last_name.map(|name| invalid.take("last_name", invalid::person_name(&name))),
            language: self.language.map(|tag| invalid.take("language", invalid::language(&tag))),
            departments: self.departments,
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

impl StaffInvitationChange {
    /// The same with every field in its kept form.
    pub fn checked(self) -> Result<Checked<Self>, Invalid> {
        let mut invalid = Invalid::default();
        let name = invalid::person_name;
        let checked = Self {
            email: self.email.map(|email| invalid.take("email", invalid::email(&email))),
            role_id: self.role_id,
            username: self.username.map(|to| to.map(|to| invalid.take("username", invalid::username(&to)))),
            first_name: self.first_name.map(|to| to.map(|to| invalid.take("first_name", name(&to)))),
            last_name: self.last_name.map(|to| to.map(|to| invalid.take("last_name", name(&to)))),
            language: self.language.map(|tag| invalid.take("language", invalid::language(&tag))),
            departments: self.departments,
        };
        invalid.ok().map(|()| Checked(checked))
    }
}

/// Invites somebody to become a member of staff.
pub async fn invite_staff(
    cx: &mut Cx,
    by: &Authority,
    new: Checked<NewStaffInvitation>,
) -> Result<Link, Error> {
    let NewStaffInvitation { email, role_id, username, first_name, last_name, language, departments } = new.0;
    let language = language.unwrap_or_else(|| logins::DEFAULT_LANGUAGE.into());
    let by = by.again(cx).await?;
    let role = role_to_give(cx, &by, role_id).await?;
    refuse_taken(cx, Some(&email), username.as_deref()).await?;

    let (id, token) = (InvitationId::new(cx.now(), cx.chance()), Token::new(cx.chance()));
    let expires_at = cx.now().plus(LIFETIME);
    store::insert(cx, id, Kind::Staff, &token.hash(), &email, &language, by.staff(), expires_at).await?;
    let names = [&username, &first_name, &last_name].map(Option::as_deref);
    store::insert_staff_part(cx, id, role.id, Some(&email), names).await?;
    if !departments.is_empty() {
        departments::set_of_invitation(cx, id, &departments).await?;
    }

    let invitation = find(cx, id).await?;
    let created = InvitationCreated {
        invitation_id: id,
        kind: "staff",
        email: Some(email),
        role: Some(role.name),
        account_id: None,
        permissions: Vec::new(),
    };
    let mail = mail(cx, &invitation, &token).await?;
    cx.emit_and_mail(created, mail).await?;
    Ok(Link { invitation, token })
}

/// Makes a new link, good for seven days, and kills the old one, expired or not.
pub async fn resend(cx: &mut Cx, by: &Authority, id: InvitationId) -> Result<Link, Error> {
    let before = open(cx, by, id).await?;
    let token = renew(cx, before.id).await?;
    store::vouch(cx, id, by.staff()).await?;
    let invitation = find(cx, id).await?;
    let resent = InvitationResent {
        invitation_id: id,
        kind: "staff",
        email: invitation.email.clone(),
        account_id: None,
    };
    let mail = mail(cx, &invitation, &token).await?;
    cx.emit_and_mail(resent, mail).await?;
    Ok(Link { invitation, token })
}

/// Changes an invitation that nobody has accepted yet. A new address gets a new link, and the old link dies: whoever
/// had it is not the one who is invited.
pub async fn change_staff(
    cx: &mut Cx,
    by: &Authority,
    id: InvitationId,
    Checked(change): Checked<StaffInvitationChange>,
) -> Result<(StaffInvitation, Option<Token>), Error> {
    let before = open(cx, by, id).await?;
    let mut after = before.clone();
    if let Some(email) = change.email {
        after.email = Some(email);
    }
    if let Some(role) = change.role_id {
        let by = by.again(cx).await?;
        let Role { id, name, rights, .. } = role_to_give(cx, &by, role).await?;
        after.role = Some(InvitedAs { id, name, rights });
    }
    after.username = change.username.unwrap_or(after.username);
    after.first_name = change.first_name.unwrap_or(after.first_name);
    after.last_name = change.last_name.unwrap_or(after.last_name);
    after.language = change.language.unwrap_or(after.language);

    let readdressed = after.email != before.email;
    let renamed = after.username != before.username;
    refuse_taken(
        cx,
        after.email.as_deref().filter(|_| readdressed),
        after.username.as_deref().filter(|_| renamed),
    )
    .await?;
    let mut changed = Changes::default();
    changed.note_personal("email", &before.email, &after.email);
    let role = |one: &StaffInvitation| one.role.as_ref().map(|role| role.name.clone());
    changed.note_words("role", &role(&before), &role(&after));
    changed.note_personal("username", &before.username, &after.username);
    changed.note_personal("first_name", &before.first_name, &after.first_name);
    changed.note_personal("last_name", &before.last_name, &after.last_name);
    changed.note_words("language", &before.language, &after.language);
    if let Some(to) = change.departments {
        let before = memberships(cx, id).await?;
        departments::set_of_invitation(cx, id, &to).await?;
        changed.note("departments", &before, &memberships(cx, id).await?);
    }
    if changed.is_empty() {
        return Ok((before, None));
    }
    store::update(cx, &after).await?;
    store::vouch(cx, id, by.staff()).await?;
    let edited = InvitationEdited {
        invitation_id: id,
        kind: "staff",
        email: after.email,
        account_id: None,
        changed: changed.into_list(),
    };
    if !readdressed {
        cx.emit(edited).await?;
        return Ok((find(cx, id).await?, None));
    }
    let token = renew(cx, before.id).await?;
    let invitation = find(cx, id).await?;
    let mail = mail(cx, &invitation, &token).await?;
    cx.emit_and_mail(edited, mail).await?;
    Ok((invitation, Some(token)))
}

/// Kills the link for good.
pub async fn cancel(cx: &mut Cx, by: &Authority, id: InvitationId) -> Result<(), Error> {
    let invitation = open(cx, by, id).await?;
    withdraw(cx, id).await?;
    cx.emit(InvitationCancelled {
        invitation_id: id,
        kind: "staff",
        email: invitation.email,
        account_id: None,
    })
    .await?;
    Ok(())
}

/// Locks the invitation, so that it cannot be accepted meanwhile, and refuses one that is over or beyond `by`.
async fn open(cx: &mut Cx, by: &Authority, id: InvitationId) -> Result<StaffInvitation, Error> {
    store::lock(cx, id).await?;
    let invitation = find(cx, id).await?;
    invitation.dates.refuse_over(cx.now())?;
    if let Some(role) = &invitation.role {
        by.again(cx).await?.covers(&role.rights)?;
    }
    Ok(invitation)
}

async fn memberships(cx: &mut Cx, id: InvitationId) -> Result<Vec<MemberOf>, db::Error> {
    Ok(departments::of_invitations(cx, &[id]).await?.remove(&id).unwrap_or_default())
}

async fn refuse_taken(cx: &mut Cx, email: Option<&str>, username: Option<&str>) -> Result<(), Error> {
    if let Some(email) = email
        && logins::email_exists(cx, Audience::Staff, email).await?
    {
        return Err(Error::EmailTaken);
    }
    if let Some(username) = username
        && logins::find_by_name(cx, Audience::Staff, username).await?.is_some()
    {
        return Err(Error::UsernameTaken);
    }
    Ok(())
}

async fn mail(cx: &mut Cx, invitation: &StaffInvitation, token: &Token) -> Result<Mail, db::Error> {
    let inviter = match invitation.invited_by {
        Some(id) => {
            people::find(cx, id).await?.map(|staff| format!("{} {}", staff.first_name, staff.last_name))
        }
        None => None,
    };
    let names = [invitation.first_name.as_deref(), invitation.last_name.as_deref()];
    Ok(Mail {
        content: MailContent::StaffInvitation {
            invitation_id: invitation.id,
            inviter,
            role: invitation.role.as_ref().map(|role| role.name.clone()).unwrap_or_default(),
            expires_at: invitation.dates.expires_at,
        },
        recipient: Recipient {
            name: names.into_iter().flatten().collect::<Vec<_>>().join(" "),
            // Only the first administrator's has none, and that one is never mailed.
            address: invitation.email.clone().unwrap_or_default(),
            language: invitation.language.clone(),
        },
        token: Some(token.clone()),
        useful_until: invitation.dates.expires_at,
    })
}
