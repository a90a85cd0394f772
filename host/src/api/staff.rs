//! `/v1/admin/staff`: who works here, and who is online.

use std::collections::HashMap;

use axum::extract::State;
use data_encoding::HEXLOWER;
use frontdesk_core::{
    authority::Authority,
    cx::Reads,
    departments::{self, MemberOf, Membership},
    ids::{DepartmentId, InvitationId, RoleId, StaffId},
    invitations::StaffInvitation,
    logins,
    outbox::RemovedBy,
    page,
    password::LEAST_STAFF,
    recovery,
    roles::Permission,
    second_factor,
    secret::Password,
    staff::{
        self, Details, Entry, Filter, NewMember, Online, OwnChange, Staff, StaffChange, State as StaffState,
    },
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    extract::{Created, Json, NoContent, Path, present},
    guard::By,
    me::judge_for_colleague,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Staff";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, help) = (Some(Permission::StaffView), Some(Permission::StaffSecurity));
    let disable = Some(Permission::StaffDisable);
    routes
        .get(
            "/v1/admin/staff",
            Op::staff("listStaff", TAG, "List staff and who is invited, the newest first", view)
                .problems(&[Code::Invalid]),
            list,
        )
        .post(
            "/v1/admin/staff",
            Op::staff(
                "createStaff",
                TAG,
                "Create a member of staff, who changes the password at the first login",
                Some(Permission::StaffCreate),
            )
            .confirmed()
            .emits(&["staff.created"])
            .problems(&[
                Code::BeyondOwnPermissions,
                Code::EmailTaken,
                Code::UsernameTaken,
                Code::PasswordRefused,
                Code::Overloaded,
            ]),
            create,
        )
        .get(
            "/v1/admin/staff/online",
            Op::staff("listStaffOnline", TAG, "Who was active in the last 15 minutes", view)
                .problems(&[Code::Invalid]),
            online,
        )
        .get(
            "/v1/admin/staff/{id}",
            Op::staff("getStaff", TAG, "One member of staff", view).problems(&[Code::NotFound]),
            get,
        )
        .patch(
            "/v1/admin/staff/{id}",
            Op::staff("changeStaff", TAG, "Change a colleague's details", Some(Permission::StaffEdit))
                .confirmed()
                .emits(&["staff.edited", "staff.password_changed"])
                .problems(&[
                    Code::NotFound,
                    Code::BeyondOwnPermissions,
                    Code::PermissionRequired,
                    Code::OwnLogin,
                    Code::LastAdministrator,
                    Code::EmailTaken,
                    Code::UsernameTaken,
                    Code::PasswordRefused,
                    Code::Overloaded,
                ]),
            change,
        )
        .delete(
            "/v1/admin/staff/{id}",
            Op::staff("deleteStaff", TAG, "Delete a colleague for good", Some(Permission::StaffDelete))
                .confirmed()
                .emits(&["staff.deleted", "api.credential_deleted", "invitation.cancelled"])
                .problems(REMOVE_PROBLEMS),
            delete,
        )
        .post(
            "/v1/admin/staff/{id}/disable",
            Op::staff(
                "disableStaff",
                TAG,
                "Shut a colleague out; their sessions and API credentials end",
                disable,
            )
            .confirmed()
            .emits(&["staff.disabled", "api.credential_deleted"])
            .problems(REMOVE_PROBLEMS),
            disable_staff,
        )
        .post(
            "/v1/admin/staff/{id}/enable",
            Op::staff("enableStaff", TAG, "Let a colleague in again", disable)
                .confirmed()
                .emits(&["staff.enabled"])
                .problems(REMOVE_PROBLEMS),
            enable,
        )
        .post(
            "/v1/admin/staff/{id}/reset-password",
            Op::staff("resetStaffPassword", TAG, "Mail a colleague a link to set their password anew", help)
                .confirmed()
                .emits(&["staff.password_reset_requested"])
                .problems(HELP_PROBLEMS),
            reset_password,
        )
        .post(
            "/v1/admin/staff/{id}/remove-second-factor",
            Op::staff(
                "removeStaffSecondFactor",
                TAG,
                "Remove a colleague's second factor; their sessions end",
                help,
            )
            .confirmed()
            .emits(&["staff.second_factor_removed"])
            .problems(HELP_PROBLEMS),
            remove_second_factor,
        )
}

const HELP_PROBLEMS: &[Code] =
    &[Code::NotFound, Code::BeyondOwnPermissions, Code::OwnLogin, Code::LoginDisabled];

const REMOVE_PROBLEMS: &[Code] =
    &[Code::NotFound, Code::BeyondOwnPermissions, Code::OwnLogin, Code::LastAdministrator];

/// A member of staff.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StaffView {
    id: StaffId,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    role: RoleName,
    /// For mails and front ends.
    language: String,
    /// A name that the front end knows.
    template: Option<String>,
    /// How many records a page of a list has; null: the setting.
    records_per_page: Option<i64>,
    avatar_url: String,
    disabled: bool,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// A member of staff with everything about them.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StaffDetails {
    #[serde(flatten)]
    staff: StaffView,
    departments: Vec<MemberOf>,
    /// Under their replies to tickets.
    signature: String,
    /// Only for themselves and for holders of `staff.notes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    /// They choose another password at the next login.
    must_change_password: bool,
    /// Whether they have a second factor.
    second_factor: bool,
}

/// A row of the list: somebody who works here, or is invited to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StaffEntry {
    state: StaffState,
    /// Of a member of staff; of the invitation while they are pending.
    id: String,
    username: Option<String>,
    email: String,
    first_name: Option<String>,
    last_name: Option<String>,
    role: Option<RoleName>,
    departments: Vec<MemberOf>,
    language: String,
    avatar_url: String,
    last_login_at: Option<Timestamp>,
    created_at: Timestamp,
    /// When the invitation's link dies, or died; pending ones only.
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RoleName {
    pub id: RoleId,
    pub name: String,
}

impl From<Staff> for StaffView {
    fn from(staff: Staff) -> Self {
        Self {
            avatar_url: gravatar(&staff.email),
            id: staff.id,
            username: staff.username,
            email: staff.email,
            first_name: staff.first_name,
            last_name: staff.last_name,
            role: RoleName { id: staff.role_id, name: staff.role_name },
            language: staff.language,
            template: staff.details.template,
            records_per_page: staff.details.records_per_page,
            disabled: staff.disabled,
            last_login_at: staff.last_login_at,
            created_at: staff.created_at,
        }
    }
}

impl StaffDetails {
    /// `with_notes`: whether the reader may see the private notes.
    pub(super) async fn read(
        reads: &mut impl Reads,
        staff: Staff,
        with_notes: bool,
    ) -> Result<Self, Problem> {
        let departments = departments::of_staff(reads, &[staff.id]).await?.remove(&staff.id);
        let second_factor = second_factor::is_enrolled(reads, staff.id.into()).await?;
        Ok(Self {
            departments: departments.unwrap_or_default(),
            signature: staff.details.signature.clone(),
            notes: with_notes.then(|| staff.details.notes.clone()),
            must_change_password: staff.must_change_password,
            second_factor,
            staff: staff.into(),
        })
    }
}

impl StaffEntry {
    fn member(staff: Staff, departments: Vec<MemberOf>) -> Self {
        Self {
            state: if staff.disabled { StaffState::Disabled } else { StaffState::Active },
            id: staff.id.to_string(),
            avatar_url: gravatar(&staff.email),
            username: Some(staff.username),
            email: staff.email,
            first_name: Some(staff.first_name),
            last_name: Some(staff.last_name),
            role: Some(RoleName { id: staff.role_id, name: staff.role_name }),
            departments,
            language: staff.language,
            last_login_at: staff.last_login_at,
            created_at: staff.created_at,
            expires_at: None,
        }
    }

    fn invited(invitation: StaffInvitation, departments: Vec<MemberOf>) -> Self {
        // Only the first administrator's has none, and is in no list.
        let email = invitation.email.unwrap_or_default();
        Self {
            state: StaffState::Pending,
            id: invitation.id.to_string(),
            avatar_url: gravatar(&email),
            username: invitation.username,
            email,
            first_name: invitation.first_name,
            last_name: invitation.last_name,
            role: invitation.role.map(|role| RoleName { id: role.id, name: role.name }),
            departments,
            language: invitation.language,
            last_login_at: None,
            created_at: invitation.dates.created_at,
            expires_at: Some(invitation.dates.expires_at),
        }
    }

    /// A page with the departments of everybody on it, asked for once.
    pub(super) async fn page(reads: &mut impl Reads, page: page::Page<Entry>) -> Result<Page<Self>, Problem> {
        let (mut members, mut invited): (Vec<StaffId>, Vec<InvitationId>) = (Vec::new(), Vec::new());
        for entry in &page.items {
            match entry {
                Entry::Member(staff) => members.push(staff.id),
                Entry::Invited(invitation) => invited.push(invitation.id),
            }
        }
        let mut of_members = match members.is_empty() {
            true => HashMap::new(),
            false => departments::of_staff(reads, &members).await?,
        };
        let mut of_invited = match invited.is_empty() {
            true => HashMap::new(),
            false => departments::of_invitations(reads, &invited).await?,
        };
        Ok(Page::of(page, |entry| match entry {
            Entry::Member(staff) => {
                let departments = of_members.remove(&staff.id).unwrap_or_default();
                Self::member(*staff, departments)
            }
            Entry::Invited(invitation) => {
                let departments = of_invited.remove(&invitation.id).unwrap_or_default();
                Self::invited(*invitation, departments)
            }
        }))
    }
}

/// Gravatar's address: the SHA-256 of the email address in lower case.
pub(super) fn gravatar(email: &str) -> String {
    let hash = Sha256::digest(email.trim().to_lowercase());
    format!("https://gravatar.com/avatar/{}", HEXLOWER.encode(&hash))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StaffList {
    /// All three without it. Pending ones are invitations, expired ones among them.
    state: Option<StaffState>,
    role_id: Option<RoleId>,
    department_id: Option<DepartmentId>,
    /// Words that must each occur in the username, the address or the names; eight at most count. 200 characters at most.
    search: Option<String>,
}

async fn list(State(app): State<App>, list: List<StaffList>) -> Result<Json<Page<StaffEntry>>, Problem> {
    let StaffList { state, role_id, department_id, search } = list.filter;
    let filter = Filter { state, role: role_id, department: department_id, search };
    filter.check()?;
    let mut view = app.read().await?;
    let page = staff::list(&mut view, &filter, &list.request).await?;
    Ok(Json(StaffEntry::page(&mut view, page).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct StaffPath {
    id: StaffId,
}

/// Whether `by` may see and change the private notes of others.
fn sees_notes(by: &Authority) -> bool {
    by.rights().has(Permission::StaffNotes)
}

async fn get(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<Json<StaffDetails>, Problem> {
    let mut view = app.read().await?;
    let found = staff::find(&mut view, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let with_notes = sees_notes(&by.authority) || by.authority.staff() == Some(id);
    Ok(Json(StaffDetails::read(&mut view, found, with_notes).await?))
}

/// A member of staff to create.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CreateStaff {
    /// A letter, then letters and digits, 64 at most.
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    role_id: RoleId,
    /// 15 to 256 characters; they change it at the first login.
    password: Password,
    /// `en` without it.
    language: Option<String>,
    #[serde(default)]
    departments: Vec<Membership>,
    /// Plain text, 5,000 characters at most.
    #[serde(default)]
    signature: String,
    /// Plain text, 20,000 characters at most; needs the permission `staff.notes`.
    #[serde(default)]
    notes: String,
    /// A name that the front end knows.
    template: Option<String>,
    /// 10 to 200.
    records_per_page: Option<i64>,
}

async fn create(
    State(app): State<App>,
    by: By,
    Json(body): Json<CreateStaff>,
) -> Result<Created<StaffDetails>, Problem> {
    let gives_notes = !body.notes.is_empty();
    if gives_notes && !sees_notes(&by.authority) {
        return Err(Problem::permission(Permission::StaffNotes));
    }
    let new = NewMember {
        username: body.username,
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        role_id: body.role_id,
        language: body.language,
        departments: body.departments,
        details: Details {
            signature: body.signature,
            notes: body.notes,
            template: body.template,
            records_per_page: body.records_per_page,
        },
    };
    let new = new.checked()?;
    staff::look(&mut app.read().await?, &by.authority, &new).await?;
    let mut own_words = new.own_words();
    own_words.push(app.company());
    let mut turn = app.hasher().turn().await?;
    turn.check(body.password.clone(), LEAST_STAFF, own_words).await?;
    let password = turn.hash(body.password).await;
    drop(turn);

    let mut cx = by.begin(&app).await?;
    let authority = by.authority.again(&mut cx).await?;
    if gives_notes && !sees_notes(&authority) {
        return Err(Problem::permission(Permission::StaffNotes));
    }
    let staff = staff::create(&mut cx, &authority, new, password).await?;
    let created = StaffDetails::read(&mut cx, staff, sees_notes(&authority)).await?;
    cx.commit().await?;
    Ok(Created(created))
}

/// What to change; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeStaff {
    /// A letter, then letters and digits, 64 at most.
    username: Option<String>,
    /// The address before is told.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    role_id: Option<RoleId>,
    /// Their sessions end, and they change it at the next login.
    password: Option<Password>,
    language: Option<String>,
    /// All they are to be in.
    departments: Option<Vec<Membership>>,
    /// Plain text, 5,000 characters at most.
    signature: Option<String>,
    /// Plain text, 20,000 characters at most; needs the permission `staff.notes`.
    notes: Option<String>,
    /// A name that the front end knows; null: none.
    #[serde(default, deserialize_with = "present")]
    template: Option<Option<String>>,
    /// 10 to 200; null: the setting.
    #[serde(default, deserialize_with = "present")]
    records_per_page: Option<Option<i64>>,
}

async fn change(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
    Json(body): Json<ChangeStaff>,
) -> Result<Json<StaffDetails>, Problem> {
    let gives_notes = body.notes.is_some();
    if gives_notes && !sees_notes(&by.authority) {
        return Err(Problem::permission(Permission::StaffNotes));
    }
    let names = [&body.username, &body.email, &body.first_name, &body.last_name];
    let names = names.into_iter().flatten().cloned().collect();
    let own = OwnChange {
        username: body.username,
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        language: body.language,
        signature: body.signature,
        notes: body.notes,
        template: body.template,
        records_per_page: body.records_per_page,
        notify: None,
    };
    let change = StaffChange { own, role_id: body.role_id, departments: body.departments, password: None };
    let mut change = change.checked()?;
    if let Some(password) = body.password {
        change = change.with_password(password_for(&app, &by.authority, id, names, password).await?);
    }
    let mut cx = by.begin(&app).await?;
    let authority = by.authority.again(&mut cx).await?;
    if gives_notes && !sees_notes(&authority) {
        return Err(Problem::permission(Permission::StaffNotes));
    }
    let staff = staff::change(&mut cx, &authority, id, change).await?;
    let changed = StaffDetails::read(&mut cx, staff, sees_notes(&authority)).await?;
    cx.commit().await?;
    Ok(Json(changed))
}

/// Judges and hashes a password for a colleague; whether the caller may change them comes first, as it is cheaper.
async fn password_for(
    app: &App,
    by: &Authority,
    id: StaffId,
    names: Vec<String>,
    password: Password,
) -> Result<logins::NewPassword, Problem> {
    let mut view = app.read().await?;
    let found = staff::find(&mut view, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    by.over_colleague(id, &found.rights)?;
    let login = logins::find(&mut view, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let has_second_factor = second_factor::is_enrolled(&mut view, login.id).await?;
    drop(view);
    judge_for_colleague(app, &login, names, has_second_factor, password).await
}

async fn delete(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    staff::delete(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

/// Doing it twice does it once.
async fn disable_staff(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    staff::disable(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn enable(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    staff::enable(&mut cx, &by.authority, id).await?;
    cx.commit().await?;
    Ok(NoContent)
}

impl From<staff::Error> for Problem {
    fn from(error: staff::Error) -> Self {
        match error {
            staff::Error::Unknown => Self::new(Code::NotFound),
            staff::Error::Invalid(invalid) => invalid.into(),
            staff::Error::UsernameTaken => Self::with_detail(Code::UsernameTaken, "Choose another username."),
            staff::Error::EmailTaken => {
                Self::with_detail(Code::EmailTaken, "Every member of staff has an address of their own.")
            }
            staff::Error::LastAdministrator => {
                Self::with_detail(Code::LastAdministrator, "Make somebody else a full administrator first.")
            }
            staff::Error::Refused(refused) => refused.into(),
            staff::Error::Db(error) => error.into(),
        }
    }
}

/// A member of staff who was active lately.
#[derive(Debug, Serialize, JsonSchema)]
struct StaffOnlineView {
    id: StaffId,
    username: String,
    first_name: String,
    last_name: String,
    avatar_url: String,
    /// When the session they used last began.
    since: Timestamp,
    last_seen_at: Timestamp,
    /// Where from.
    address: Option<String>,
}

impl From<Online> for StaffOnlineView {
    fn from(online: Online) -> Self {
        Self {
            avatar_url: gravatar(&online.email),
            id: online.id,
            username: online.username,
            first_name: online.first_name,
            last_name: online.last_name,
            since: online.since,
            last_seen_at: online.last_seen_at,
            address: online.address,
        }
    }
}

async fn online(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<StaffOnlineView>>, Problem> {
    let page = staff::online(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, StaffOnlineView::from)))
}

async fn reset_password(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    let login = staff::to_help(&mut cx, &by.authority, id).await?;
    if login.disabled {
        return Err(Problem::with_detail(
            Code::LoginDisabled,
            "A link would be dead until they are enabled again.",
        ));
    }
    // By mail alone: whoever helps does not come in by it.
    recovery::link(&mut cx, &login).await?;
    cx.commit().await?;
    Ok(NoContent)
}

async fn remove_second_factor(
    State(app): State<App>,
    by: By,
    Path(StaffPath { id }): Path<StaffPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    let login = staff::to_help(&mut cx, &by.authority, id).await?;
    if !second_factor::remove_all(&mut cx, &login, RemovedBy::Colleague).await? {
        return Err(Problem::with_detail(Code::NotFound, "They have no second factor."));
    }
    cx.commit().await?;
    Ok(NoContent)
}
