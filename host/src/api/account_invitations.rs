//! `/v1/admin/accounts/{id}/invitations`: inviting users to accounts, one by one or from a file. What an invitation looks
//! like, and how a file is read and answered, is the same for owners.

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, RequestBody, SchemaObject},
};
use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request, State},
    http::header,
};
use frontdesk_core::{
    accounts::{self, AccountPermission, By as ByWhom},
    cx::Reads as _,
    ids::{AccountId, InvitationId, UserId},
    invitations::{
        Status,
        account::{self as invitations, AccountInvitation, Inviter, NewAccountInvitation, bulk},
    },
    roles::Permission,
    secret::Token,
    time::Timestamp,
};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    account_users::Allowed,
    extract::{Created, Json, NoContent, Path, Query},
    guard::By,
    page::{List, Page},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Invitations to accounts";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, invite) = (Some(Permission::AccountsView), Some(Permission::AccountsUsers));
    routes
        .get(
            "/v1/admin/accounts/{id}/invitations",
            Op::staff("listAccountInvitations", TAG, "List an account's invitations, the newest first", view),
            list,
        )
        .post(
            "/v1/admin/accounts/{id}/invitations",
            Op::staff("inviteToAccount", TAG, "Invite somebody to an account", invite)
                .confirmed()
                .emits(&["invitation.created"])
                .problems(INVITE_PROBLEMS),
            create,
        )
        .post(
            "/v1/admin/accounts/{id}/invitations/bulk",
            Op::staff("inviteManyToAccount", TAG, "Invite everybody whom a CSV file names", invite)
                .confirmed()
                .emits(&["invitation.created"])
                .problems(&[Code::AccountClosed]),
            create_many,
        )
        .get(
            "/v1/admin/accounts/{id}/invitations/{invitation_id}",
            Op::staff("getAccountInvitation", TAG, "One invitation", view)
                .problems(&[Code::InvitationUnknown]),
            get,
        )
        .delete(
            "/v1/admin/accounts/{id}/invitations/{invitation_id}",
            Op::staff("cancelAccountInvitation", TAG, "Cancel an invitation: its link is dead", invite)
                .confirmed()
                .emits(&["invitation.cancelled"])
                .problems(&[Code::InvitationUnknown, Code::InvitationUsed, Code::InvitationCancelled]),
            cancel,
        )
        .post(
            "/v1/admin/accounts/{id}/invitations/{invitation_id}/resend",
            Op::staff("resendAccountInvitation", TAG, "Send a new link; the old one is dead", invite)
                .confirmed()
                .emits(&["invitation.resent"])
                .problems(&[
                    Code::InvitationUnknown,
                    Code::InvitationUsed,
                    Code::InvitationCancelled,
                    Code::AccountClosed,
                    Code::LimitReached,
                    Code::TooManyAttempts,
                ]),
            resend,
        )
}

pub(super) const INVITE_PROBLEMS: &[Code] = &[
    Code::AccountClosed,
    Code::AlreadyInvited,
    Code::OnAccountAlready,
    Code::LimitReached,
    Code::TooManyAttempts,
];

/// An invitation to an account.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AccountInvitationView {
    id: InvitationId,
    state: Status,
    /// Where the link was mailed to. Whoever accepts may have another address.
    email: String,
    language: String,
    account_id: AccountId,
    /// Also permits what later versions bring.
    everything: bool,
    permissions: Vec<AccountPermission>,
    /// Who invited, or sent it last; null if they are gone.
    invited_by: Option<InviterKind>,
    /// The owner who invited, if one did.
    invited_by_user_id: Option<UserId>,
    /// False: whoever invited may no longer do so, or the account is closed. The link is dead until it is sent anew.
    vouched: bool,
    created_at: Timestamp,
    /// When the link in force was made.
    sent_at: Timestamp,
    expires_at: Timestamp,
    accepted_at: Option<Timestamp>,
    cancelled_at: Option<Timestamp>,
    /// Who accepted.
    user_id: Option<UserId>,
    /// The link. Only in the answer that made it: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum InviterKind {
    Staff,
    Owner,
}

impl AccountInvitationView {
    pub(super) fn new(invitation: AccountInvitation, now: Timestamp) -> Self {
        let (invited_by, invited_by_user_id) = match invitation.invited_by {
            Some(Inviter::Staff(_)) => (Some(InviterKind::Staff), None),
            Some(Inviter::Owner(user)) => (Some(InviterKind::Owner), Some(user)),
            None => (None, None),
        };
        Self {
            state: invitation.status(now),
            id: invitation.id,
            email: invitation.email,
            language: invitation.language,
            account_id: invitation.account,
            everything: invitation.permissions.is_everything(),
            permissions: invitation.permissions.to_list(),
            invited_by,
            invited_by_user_id,
            vouched: invitation.vouched,
            created_at: invitation.dates.created_at,
            sent_at: invitation.dates.sent_at,
            expires_at: invitation.dates.expires_at,
            accepted_at: invitation.dates.accepted_at,
            cancelled_at: invitation.dates.cancelled_at,
            user_id: invitation.user_id,
            link: None,
        }
    }

    pub(super) fn with_link(self, app: &App, token: &Token) -> Self {
        Self { link: Some(app.invitation_link(token)), ..self }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountInvitationList {
    /// Without it, what can still be acted on: pending and expired.
    pub state: Option<Status>,
}

/// Whom to invite, to do what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteToAccount {
    email: String,
    permissions: Allowed,
    /// Of the mail; a known user's own without it, else the first of the setting `languages`.
    language: Option<String>,
}

impl From<InviteToAccount> for NewAccountInvitation {
    fn from(body: InviteToAccount) -> Self {
        let InviteToAccount { email, permissions: Allowed(permissions), language } = body;
        Self { email, permissions, language }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountInvitationsPath {
    id: AccountId,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct AccountInvitationPath {
    id: AccountId,
    invitation_id: InvitationId,
}

async fn list(
    State(app): State<App>,
    Path(AccountInvitationsPath { id }): Path<AccountInvitationsPath>,
    list: List<AccountInvitationList>,
) -> Result<Json<Page<AccountInvitationView>>, Problem> {
    let mut view = app.read().await?;
    accounts::find(&mut view, id).await?.ok_or(accounts::Error::Unknown)?;
    let now = view.now();
    let page = invitations::list(&mut view, id, list.filter.state, &list.request).await?;
    Ok(Json(Page::of(page, |invitation| AccountInvitationView::new(invitation, now))))
}

async fn get(
    State(app): State<App>,
    Path(AccountInvitationPath { id, invitation_id }): Path<AccountInvitationPath>,
) -> Result<Json<AccountInvitationView>, Problem> {
    let mut view = app.read().await?;
    let invitation = invitations::find_of(&mut view, id, invitation_id).await?;
    Ok(Json(AccountInvitationView::new(invitation, view.now())))
}

async fn create(
    State(app): State<App>,
    by: By,
    Path(AccountInvitationsPath { id }): Path<AccountInvitationsPath>,
    Json(body): Json<InviteToAccount>,
) -> Result<Created<AccountInvitationView>, Problem> {
    let new = NewAccountInvitation::from(body).checked()?;
    let mut cx = by.begin(&app).await?;
    let made = invitations::invite(&mut cx, ByWhom::Staff(&by.authority), id, new, &app.settings()).await?;
    let view = AccountInvitationView::new(made.invitation, cx.now());
    cx.commit().await?;
    Ok(Created(view.with_link(&app, &made.token)))
}

async fn cancel(
    State(app): State<App>,
    by: By,
    Path(AccountInvitationPath { id, invitation_id }): Path<AccountInvitationPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    invitations::cancel(&mut cx, ByWhom::Staff(&by.authority), id, invitation_id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn resend(
    State(app): State<App>,
    by: By,
    Path(AccountInvitationPath { id, invitation_id }): Path<AccountInvitationPath>,
) -> Result<Json<AccountInvitationView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let who = ByWhom::Staff(&by.authority);
    let made = invitations::resend(&mut cx, who, id, invitation_id, &app.settings()).await?;
    let view = AccountInvitationView::new(made.invitation, cx.now());
    cx.commit().await?;
    Ok(Json(view.with_link(&app, &made.token)))
}

/// The largest file, in bytes, whatever `limits.body_kib` says.
const LARGEST_FILE: usize = 256 * 1024;

/// The bytes of a body of `text/csv`.
#[derive(Debug)]
pub(super) struct Csv(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Csv {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("text/csv") {
            return Err(Problem::with_detail(
                Code::UnsupportedMediaType,
                "Send CSV with the header Content-Type: text/csv.",
            ));
        }
        let bytes = to_bytes(request.into_body(), LARGEST_FILE).await;
        bytes.map(Self).map_err(|error| {
            let cause = std::error::Error::source(&error);
            match cause.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>()) {
                true => Problem::with_detail(Code::TooLarge, "A file has 256 KiB at most: send it in parts."),
                false => Problem::with_detail(Code::Malformed, "The body broke off."),
            }
        })
    }
}

impl OperationInput for Csv {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = SchemaObject {
            json_schema: json_schema!({
                "type": "string",
                "description": "CSV (RFC 4180) with a heading: `email`, `permissions` (slugs separated by spaces, or `all`) and, \
                                if wanted, `language`. 500 lines and 256 KiB at most.",
            }),
            external_docs: None,
            example: Some(
                "email,permissions\nada@example.com,invoices tickets\ngrace@example.com,all\n".into(),
            ),
        };
        let media = MediaType { schema: Some(schema), ..MediaType::default() };
        operation.request_body = Some(ReferenceOr::Item(RequestBody {
            content: [("text/csv".into(), media)].into(),
            required: true,
            ..RequestBody::default()
        }));
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    /// Only says what would become of each line; nobody is invited.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of each line.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BulkInvited {
    dry_run: bool,
    invited: usize,
    refused: usize,
    lines: Vec<BulkLine>,
}

/// What became of a line, or would.
#[derive(Debug, Serialize, JsonSchema)]
struct BulkLine {
    /// From 1, the heading included.
    line: u64,
    /// As it stands in the file.
    email: String,
    result: BulkResult,
    /// The problem's code, of a refused one.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation_id: Option<InvitationId>,
    /// The link. Only here: nobody can read it afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum BulkResult {
    Invited,
    Refused,
}

impl BulkInvited {
    pub(super) fn new(app: &App, outcomes: Vec<bulk::Outcome>, dry_run: bool) -> Self {
        let lines: Vec<_> =
            outcomes.into_iter().map(|outcome| BulkLine::new(app, outcome, dry_run)).collect();
        let invited = lines.iter().filter(|line| line.result == BulkResult::Invited).count();
        Self { dry_run, invited, refused: lines.len() - invited, lines }
    }
}

impl BulkLine {
    fn new(app: &App, outcome: bulk::Outcome, dry_run: bool) -> Self {
        let bulk::Outcome { line, email, result } = outcome;
        let (result, problem, made) = match result {
            Ok(made) => (BulkResult::Invited, None, Some(made)),
            Err(error) => (BulkResult::Refused, Some(Problem::from(error)), None),
        };
        // A dry run keeps none of them.
        let made = made.filter(|_| !dry_run);
        Self {
            line,
            email,
            result,
            code: problem.as_ref().map(|problem| problem.code().name()),
            message: problem.as_ref().map(Problem::sentence),
            invitation_id: made.as_ref().map(|made| made.invitation.id),
            link: made.map(|made| app.invitation_link(&made.token)),
        }
    }
}

async fn create_many(
    State(app): State<App>,
    by: By,
    Path(AccountInvitationsPath { id }): Path<AccountInvitationsPath>,
    Query(Bulk { dry_run }): Query<Bulk>,
    Csv(file): Csv,
) -> Result<Json<BulkInvited>, Problem> {
    let rows = bulk::read(&file)?;
    let mut cx = by.begin(&app).await?;
    let outcomes = bulk::invite(&mut cx, ByWhom::Staff(&by.authority), id, rows, &app.settings()).await?;
    if dry_run {
        drop(cx);
    } else {
        cx.commit().await?;
    }
    Ok(Json(BulkInvited::new(&app, outcomes, dry_run)))
}
