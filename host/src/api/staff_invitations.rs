//! `/v1/admin/staff-invitations`: inviting staff.

use axum::extract::State;
use frontdesk_core::{
    cx::Reads,
    departments::{self, MemberOf, Membership},
    ids::{InvitationId, RoleId, StaffId},
    invitations::{self, NewStaffInvitation, StaffInvitation, StaffInvitationChange, Status},
    roles::Permission,
    secret::Token,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path, present},
    guard::By,
    page::{List, Page},
    problem::{Code, Problem},
    routes::{Op, Routes},
    staff::RoleName,
};
use crate::App;

const TAG: &str = "Staff invitations";

pub(super) fn routes(routes: Routes) -> Routes {
    let invite = Some(Permission::StaffInvite);
    routes
        .get(
            "/v1/admin/staff-invitations",
            Op::staff("listStaffInvitations", TAG, "List invitations, the newest first", invite)
                .problems(&[Code::Invalid]),
            list,
        )
        .post(
            "/v1/admin/staff-invitations",
            Op::staff("inviteStaff", TAG, "Invite a member of staff", invite)
                .confirmed()
                .emits(&["invitation.created"])
                .problems(&[
                    Code::BeyondOwnPermissions,
                    Code::EmailTaken,
                    Code::UsernameTaken,
                    Code::Invalid,
                ]),
            create,
        )
        .get(
            "/v1/admin/staff-invitations/{id}",
            Op::staff("getStaffInvitation", TAG, "One invitation", invite)
                .problems(&[Code::InvitationUnknown]),
            get,
        )
        .patch(
            "/v1/admin/staff-invitations/{id}",
            Op::staff("changeStaffInvitation", TAG, "Change an invitation before it is accepted", invite)
                .confirmed()
                .emits(&["invitation.edited"])
                .problems(&[
                    Code::BeyondOwnPermissions,
                    Code::InvitationUnknown,
                    Code::InvitationUsed,
                    Code::InvitationCancelled,
                    Code::EmailTaken,
                    Code::UsernameTaken,
                    Code::Invalid,
                ]),
            change,
        )
        .delete(
            "/v1/admin/staff-invitations/{id}",
            Op::staff("cancelStaffInvitation", TAG, "Cancel an invitation: its link is dead", invite)
                .confirmed()
                .emits(&["invitation.cancelled"])
                .problems(&[
                    Code::BeyondOwnPermissions,
                    Code::InvitationUnknown,
                    Code::InvitationUsed,
                    Code::InvitationCancelled,
                ]),
            cancel,
        )
        .post(
            "/v1/admin/staff-invitations/{id}/resend",
            Op::staff("resendStaffInvitation", TAG, "Send a new link; the old one is dead", invite)
                .confirmed()
                .emits(&["invitation.resent"])
                .problems(&[
                    Code::BeyondOwnPermissions,
                    Code::InvitationUnknown,
                    Code::InvitationUsed,
                    Code::InvitationCancelled,
                ]),
            resend,
        )
}

/// An invitation to become a member of staff.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffInvitationView {
    id: InvitationId,
    state: Status,
    email: Option<String>,
    /// Null once it is over and the role deleted.
    role: Option<RoleName>,
    /// Which departments they will be in.
    departments: Vec<MemberOf>,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    language: String,
    invited_by: Option<StaffId>,
    created_at: Timestamp,
    /// When the link in force was made.
    sent_at: Timestamp,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
    cancelled_at: Option<Timestamp>,
    /// Who came of it.
    staff_id: Option<StaffId>,
    /// The link. Only in the answer that made it: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl StaffInvitationView {
    fn new(invitation: StaffInvitation, departments: Vec<MemberOf>, now: Timestamp) -> Self {
        Self {
            state: invitation.status(now),
            id: invitation.id,
            email: invitation.email,
            role: invitation.role.map(|role| RoleName { id: role.id, name: role.name }),
            departments,
            username: invitation.username,
            first_name: invitation.first_name,
            last_name: invitation.last_name,
            language: invitation.language,
            invited_by: invitation.invited_by,
            created_at: invitation.dates.created_at,
            sent_at: invitation.dates.sent_at,
            expires_at: invitation.dates.expires_at,
            accepted_at: invitation.dates.accepted_at,
            cancelled_at: invitation.dates.cancelled_at,
            staff_id: invitation.staff_id,
            link: None,
        }
    }

    async fn read(reads: &mut impl Reads, invitation: StaffInvitation) -> Result<Self, Problem> {
        let (id, now) = (invitation.id, reads.now());
        let departments = departments::of_invitations(reads, &[id]).await?.remove(&id);
        Ok(Self::new(invitation, departments.unwrap_or_default(), now))
    }

    fn with_link(self, app: &App, token: &Token) -> Self {
        Self { link: Some(app.invitation_link(token)), ..self }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StaffInvitationList {
    /// Without it, what can still be acted on: pending and expired.
    state: Option<Status>,
}

async fn list(
    State(app): State<App>,
    list: List<StaffInvitationList>,
) -> Result<Json<Page<StaffInvitationView>>, Problem> {
    let mut view = app.read().await?;
    let now = view.now();
    let page = invitations::list(&mut view, list.filter.state, &list.request).await?;
    let ids: Vec<_> = page.items.iter().map(|invitation| invitation.id).collect();
    let mut departments = departments::of_invitations(&mut view, &ids).await?;
    Ok(Json(Page::of(page, |invitation| {
        let of = departments.remove(&invitation.id).unwrap_or_default();
        StaffInvitationView::new(invitation, of, now)
    })))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct StaffInvitationPath {
    id: InvitationId,
}

async fn get(
    State(app): State<App>,
    Path(StaffInvitationPath { id }): Path<StaffInvitationPath>,
) -> Result<Json<StaffInvitationView>, Problem> {
    let mut view = app.read().await?;
    let invitation = invitations::find(&mut view, id).await?;
    Ok(Json(StaffInvitationView::read(&mut view, invitation).await?))
}

/// Whom to invite, as what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InviteStaff {
    email: String,
    role_id: RoleId,
    /// Given here, the invitee cannot change it. A letter, then letters and digits, 64 at most.
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    /// Of the mail and later of the member of staff: `en`.
    language: Option<String>,
    /// Which departments they will be in.
    #[serde(default)]
    departments: Vec<Membership>,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<InviteStaff>,
) -> Result<Created<StaffInvitationView>, Problem> {
    let new = NewStaffInvitation {
        email: body.email,
        role_id: body.role_id,
        username: body.username,
        first_name: body.first_name,
        last_name: body.last_name,
        language: body.language,
        departments: body.departments,
    }
    .checked()?;
    let mut cx = by.begin(&app).await?;
    let made = invitations::invite_staff(&mut cx, &by.authority, new).await?;
    let view = StaffInvitationView::read(&mut cx, made.invitation).await?;
    cx.commit().await?;
    Ok(Created(view.with_link(&app, &made.token)))
}

/// What to change; what is absent stays. `null` clears a name or the username, so that the invitee gives it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeStaffInvitation {
    /// Another address gets a new link; the old one is dead.
    email: Option<String>,
    role_id: Option<RoleId>,
    #[serde(default, deserialize_with = "present")]
    username: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    first_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    last_name: Option<Option<String>>,
    language: Option<String>,
    /// All they are to be in.
    departments: Option<Vec<Membership>>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(StaffInvitationPath { id }): Path<StaffInvitationPath>,
    Json(body): Json<ChangeStaffInvitation>,
) -> Result<Json<StaffInvitationView>, Problem> {
    let change = StaffInvitationChange {
        email: body.email,
        role_id: body.role_id,
        username: body.username,
        first_name: body.first_name,
        last_name: body.last_name,
        language: body.language,
        departments: body.departments,
    }
    .checked()?;
    let mut cx = by.begin(&app).await?;
    let (invitation, token) = invitations::change_staff(&mut cx, &by.authority, id, change).await?;
    let view = StaffInvitationView::read(&mut cx, invitation).await?;
    cx.commit().await?;
    Ok(Json(match token {
        Some(token) => view.with_link(&app, &token),
        None => view,
    }))
}

async fn cancel(
    State(app): State<App>,
    by: By,
    Path(StaffInvitationPath { id }): Path<StaffInvitationPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    invitations::cancel(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn resend(
    State(app): State<App>,
    by: By,
    Path(StaffInvitationPath { id }): Path<StaffInvitationPath>,
) -> Result<Json<StaffInvitationView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let made = invitations::resend(&mut cx, &by.authority, id).await?;
    let view = StaffInvitationView::read(&mut cx, made.invitation).await?;
    cx.commit().await?;
    Ok(Json(view.with_link(&app, &made.token)))
}
