//! `/v1/client/account`: the account that the session acts for: its profile, who is on it, and whom its owner invites.

use axum::extract::State;
use frontdesk_core::{
    accounts::{self, AccountChange, AccountPermission, By, Status, members},
    custom_fields,
    cx::Reads,
    ids::{AccountId, InvitationId, UserId},
    invitations::account::{self as invitations, NewAccountInvitation, bulk},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    account_invitations::{
        AccountInvitationList, AccountInvitationView, Bulk, BulkInvited, Csv, INVITE_PROBLEMS,
        InviteToAccount,
    },
    account_profile::{CustomValues, ProfileFields, ProfileView},
    account_users::{AccountUserView, ChangeAccountUser},
    extract::{Created, Json, NoContent, Path, Query},
    guard::OnAccount,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Needs, Op, Routes},
};
use crate::App;

const TAG: &str = "Client account";

/// An operation on who is on the account: its owner's, and no admin's who came in as them.
const fn owners(id: &'static str, summary: &'static str) -> Op {
    Op::client(id, TAG, summary, Needs::Ownership)
}

pub(super) fn routes(routes: Routes) -> Routes {
    let profile = Needs::Permission(AccountPermission::Profile);
    let routes = routes
        .get(
            "/v1/client/account",
            Op::client("getMyAccount", TAG, "The profile of the account I act for", profile),
            get,
        )
        .patch(
            "/v1/client/account",
            Op::client("changeMyAccount", TAG, "Change the profile of the account I act for", profile)
                .emits(&["account.edited"]),
            change,
        )
        .get(
            "/v1/client/account/users",
            owners("listMyAccountUsers", "Who is on my account, the one who came last first"),
            list_users,
        )
        .patch(
            "/v1/client/account/users/{user_id}",
            owners("changeMyAccountUser", "Change what somebody may do on my account")
                .not_as_another()
                .emits(&["account.user_changed"])
                .problems(&[Code::NotOnAccount, Code::OwnerFixed, Code::TurnedOff]),
            change_user,
        )
        .delete(
            "/v1/client/account/users/{user_id}",
            owners("removeMyAccountUser", "Take somebody off my account")
                .not_as_another()
                .emits(&["account.user_removed"])
                .problems(&[Code::NotOnAccount, Code::OwnerFixed, Code::TurnedOff]),
            remove_user,
        );
    routes
        .get(
            "/v1/client/account/invitations",
            owners("listMyAccountInvitations", "List my account's invitations, the newest first"),
            list_invitations,
        )
        .post(
            "/v1/client/account/invitations",
            owners("inviteToMyAccount", "Invite somebody to my account")
                .not_as_another()
                .emits(&["invitation.created"])
                .problems(INVITE_PROBLEMS),
            invite,
        )
        .post(
            "/v1/client/account/invitations/bulk",
            owners("inviteManyToMyAccount", "Invite everybody whom a CSV file names")
                .not_as_another()
                .emits(&["invitation.created"])
                .problems(&[Code::TurnedOff]),
            invite_many,
        )
        .get(
            "/v1/client/account/invitations/{invitation_id}",
            owners("getMyAccountInvitation", "One of my account's invitations")
                .problems(&[Code::InvitationUnknown]),
            get_invitation,
        )
        .delete(
            "/v1/client/account/invitations/{invitation_id}",
            owners("cancelMyAccountInvitation", "Cancel an invitation: its link is dead")
                .not_as_another()
                .emits(&["invitation.cancelled"])
                .problems(&[Code::InvitationUnknown, Code::InvitationUsed, Code::InvitationCancelled]),
            cancel_invitation,
        )
        .post(
            "/v1/client/account/invitations/{invitation_id}/resend",
            owners("resendMyAccountInvitation", "Send a new link; the old one is dead")
                .not_as_another()
                .emits(&["invitation.resent"])
                .problems(&[
                    Code::InvitationUnknown,
                    Code::InvitationUsed,
                    Code::InvitationCancelled,
                    Code::LimitReached,
                    Code::TooManyAttempts,
                    Code::TurnedOff,
                ]),
            resend_invitation,
        )
}

/// The account that the caller acts for.
#[derive(Debug, Serialize, JsonSchema)]
struct ClientAccount {
    id: AccountId,
    status: Status,
    #[serde(flatten)]
    profile: ProfileView,
    /// Those that are not for staff only.
    custom_fields: CustomValues,
    owner_id: UserId,
    created_at: Timestamp,
}

impl ClientAccount {
    async fn read(reads: &mut impl Reads, account: accounts::Account) -> Result<Self, Problem> {
        let id = account.id;
        let fields = custom_fields::of_accounts(reads, &[id], false).await?.remove(&id);
        Ok(Self {
            id,
            status: account.status,
            profile: account.profile.into(),
            custom_fields: CustomValues(fields.unwrap_or_default()),
            owner_id: account.owner_id,
            created_at: account.created_at,
        })
    }
}

async fn get(State(app): State<App>, on: OnAccount) -> Result<Json<ClientAccount>, Problem> {
    let mut view = app.read().await?;
    let account = accounts::find(&mut view, on.account).await?.ok_or(accounts::Error::Unknown)?;
    Ok(Json(ClientAccount::read(&mut view, account).await?))
}

async fn change(
    State(app): State<App>,
    on: OnAccount,
    Json(body): Json<ProfileFields>,
) -> Result<Json<ClientAccount>, Problem> {
    let (profile, custom_fields) = body.parts();
    let change = AccountChange { profile, custom_fields, ..AccountChange::default() }.checked()?;
    let mut cx = on.begin(&app).await?;
    let account = accounts::change_profile(&mut cx, on.account, on.user(), change).await?;
    let answer = ClientAccount::read(&mut cx, account).await?;
    cx.commit().await?;
    Ok(Json(answer))
}

async fn list_users(
    State(app): State<App>,
    on: OnAccount,
    list: List<Unfiltered>,
) -> Result<Json<Page<AccountUserView>>, Problem> {
    let page = members::list(&mut app.read().await?, on.account, &list.request).await?;
    Ok(Json(Page::of(page, AccountUserView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct MyAccountUserPath {
    user_id: UserId,
}

async fn change_user(
    State(app): State<App>,
    on: OnAccount,
    Path(MyAccountUserPath { user_id }): Path<MyAccountUserPath>,
    Json(body): Json<ChangeAccountUser>,
) -> Result<Json<AccountUserView>, Problem> {
    let (by, settings) = (By::Owner(on.user()), app.settings());
    let mut cx = on.begin(&app).await?;
    let user = members::change(&mut cx, by, on.account, user_id, body.permissions.0, &settings).await?;
    cx.commit().await?;
    Ok(Json(user.into()))
}

async fn remove_user(
    State(app): State<App>,
    on: OnAccount,
    Path(MyAccountUserPath { user_id }): Path<MyAccountUserPath>,
) -> Result<NoContent, Problem> {
    let (by, settings) = (By::Owner(on.user()), app.settings());
    let mut cx = on.begin(&app).await?;
    members::remove(&mut cx, by, on.account, user_id, &settings).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn list_invitations(
    State(app): State<App>,
    on: OnAccount,
    list: List<AccountInvitationList>,
) -> Result<Json<Page<AccountInvitationView>>, Problem> {
    let mut view = app.read().await?;
    let now = view.now();
    let page = invitations::list(&mut view, on.account, list.filter.state, &list.request).await?;
    Ok(Json(Page::of(page, |invitation| AccountInvitationView::new(invitation, now))))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct MyAccountInvitationPath {
    invitation_id: InvitationId,
}

async fn get_invitation(
    State(app): State<App>,
    on: OnAccount,
    Path(MyAccountInvitationPath { invitation_id }): Path<MyAccountInvitationPath>,
) -> Result<Json<AccountInvitationView>, Problem> {
    let mut view = app.read().await?;
    let invitation = invitations::find_of(&mut view, on.account, invitation_id).await?;
    Ok(Json(AccountInvitationView::new(invitation, view.now())))
}

async fn invite(
    State(app): State<App>,
    on: OnAccount,
    Json(body): Json<InviteToAccount>,
) -> Result<Created<AccountInvitationView>, Problem> {
    let new = NewAccountInvitation::from(body).checked()?;
    let (by, settings) = (By::Owner(on.user()), app.settings());
    let mut cx = on.begin(&app).await?;
    let made = invitations::invite(&mut cx, by, on.account, new, &settings).await?;
    let view = AccountInvitationView::new(made.invitation, cx.now());
    cx.commit().await?;
    Ok(Created(view.with_link(&app, &made.token)))
}

async fn invite_many(
    State(app): State<App>,
    on: OnAccount,
    Query(Bulk { dry_run }): Query<Bulk>,
    Csv(file): Csv,
) -> Result<Json<BulkInvited>, Problem> {
    let rows = bulk::read(&file)?;
    let (by, settings) = (By::Owner(on.user()), app.settings());
    let mut cx = on.begin(&app).await?;
    let outcomes = bulk::invite(&mut cx, by, on.account, rows, &settings).await?;
    if dry_run {
        drop(cx);
    } else {
        cx.commit().await?;
    }
    Ok(Json(BulkInvited::new(&app, outcomes, dry_run)))
}

async fn cancel_invitation(
    State(app): State<App>,
    on: OnAccount,
    Path(MyAccountInvitationPath { invitation_id }): Path<MyAccountInvitationPath>,
) -> Result<NoContent, Problem> {
    let by = By::Owner(on.user());
    let mut cx = on.begin(&app).await?;
    invitations::cancel(&mut cx, by, on.account, invitation_id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn resend_invitation(
    State(app): State<App>,
    on: OnAccount,
    Path(MyAccountInvitationPath { invitation_id }): Path<MyAccountInvitationPath>,
) -> Result<Json<AccountInvitationView>, Problem> {
    let (by, settings) = (By::Owner(on.user()), app.settings());
    let mut cx = on.begin(&app).await?;
    let made = invitations::resend(&mut cx, by, on.account, invitation_id, &settings).await?;
    let view = AccountInvitationView::new(made.invitation, cx.now());
    cx.commit().await?;
    Ok(Json(view.with_link(&app, &made.token)))
}
