//! Accepting: the link is spent, somebody comes in, and is logged in.

use super::{Error, Kind, StaffInvitation, refuse_second_first, spend, store};
use crate::{
    cx::{Actor, Cx, Reads},
    departments,
    event::InvitationAccepted,
    ids::StaffId,
    invalid::{self, Invalid},
    logins, outbox,
    password::PasswordHash,
    roles,
    secret::TokenHash,
    sessions::{self, Client, Method, Started},
    settings::Settings,
    staff::{self as people, Details, NewStaff},
};

/// What the invitee gives: exactly what [`StaffInvitation::needs`] names.
#[derive(Clone, Debug)]
pub struct StaffAcceptance {
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

/// Who came in, and their first session.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub staff: StaffId,
    pub session: Started,
}

impl StaffAcceptance {
    /// Whether these fields go with the invitation. For a refusal before a password is hashed; [`accept_staff`] checks
    /// again.
    pub fn check(&self, invitation: &StaffInvitation) -> Result<(), Invalid> {
        self.complete(invitation).map(|_| ())
    }

    /// Words that the invitee's password must not be made of: their own, and the company's.
    pub fn own_words(&self, invitation: &StaffInvitation, company: &str) -> Vec<String> {
        let fields = [
            &self.username,
            &self.email,
            &self.first_name,
            &self.last_name,
            &invitation.username,
            &invitation.email,
            &invitation.first_name,
            &invitation.last_name,
        ];
        fields.into_iter().flatten().cloned().chain([company.to_owned()]).collect()
    }

    fn complete(&self, invitation: &StaffInvitation) -> Result<NewStaff, Invalid> {
        let mut invalid = Invalid::default();
        let mut field =
            |name, given: &Option<String>, fixed: &Option<String>, check: fn(&str) -> _| match (given, fixed)
            {
                (Some(_), Some(_)) => {
                    invalid.add(name, "fixed", "The invitation decides this; leave it out.");
                    String::new()
                }
                (Some(given), None) => invalid.take(name, check(given)),
                (None, Some(fixed)) => fixed.clone(),
                (None, None) => {
                    invalid.add(name, "required", "This is wanted.");
                    String::new()
                }
            };
        let new = NewStaff {
            email: field("email", &self.email, &invitation.email, invalid::email),
            first_name: field("first_name", &self.first_name, &invitation.first_name, invalid::person_name),
            last_name: field("last_name", &self.last_name, &invitation.last_name, invalid::person_name),
            username: field("username", &self.username, &invitation.username, invalid::username),
            language: invitation.language.clone(),
            details: Details::default(),
            must_change_password: false,
        };
        invalid.ok().map(|()| new)
    }
}

/// Spends the link and brings the invitee in. Of any number at once, one succeeds.
pub async fn accept_staff(
    cx: &mut Cx,
    token: &TokenHash,
    acceptance: StaffAcceptance,
    password: PasswordHash,
    client: &Client,
    settings: &Settings,
) -> Result<Accepted, Error> {
    let id = spend(cx, token, Kind::Staff).await?;
    let invitation = store::find(cx.db(), id).await?.ok_or(Error::Unknown)?;
    if !invitation.vouched {
        return Err(Error::Unvouched);
    }
    refuse_second_first(cx, &invitation).await?;
    let new = acceptance.complete(&invitation)?;
    let invited_as = invitation.role.as_ref().ok_or(Error::Unknown)?.id;
    let role = roles::find(cx, invited_as).await?.ok_or(Error::Unknown)?;
    let (email, username) = (new.email.clone(), new.username.clone());
    let staff = people::bring_in(cx, new, &role, password).await?;
    // A guest came; whoever accepts is known by now.
    cx.act_as(Actor::Staff(staff));
    departments::from_invitation(cx, id, staff).await?;
    store::set_staff(cx, id, staff).await?;
    outbox::make_obsolete(cx, &id.to_string(), "the link was used").await?;
    cx.emit(InvitationAccepted {
        invitation_id: id,
        kind: "staff",
        email,
        staff_id: Some(staff),
        username: Some(username),
        account_id: None,
        user_id: None,
    })
    .await?;
    let login = logins::find(cx, staff).await?.ok_or(Error::Unknown)?;
    let session = match sessions::start(cx, &login, Method::Invitation, client, settings).await {
        Ok(session) => session,
        Err(sessions::Error::Db(error)) => return Err(error.into()),
        // Created in this transaction, so neither gone nor disabled.
        Err(sessions::Error::Refused) => return Err(Error::Unknown),
    };
    Ok(Accepted { staff, session })
}
