//! `/v1/admin/me`: one's own login: password, time-based codes, recovery codes.

use axum::extract::State;
use frontdesk_core::{
    cx::Reads,
    departments::Membership,
    invalid::Invalid,
    logins::{self, Login, NewPassword},
    outbox::PasswordChange,
    password::Turn,
    second_factor::{self, Error, RecoveryCodes, recovery_codes, totp},
    secret::Password,
    sessions::{self, Pending},
    settings::Settings,
    staff::{self, OwnChange},
};
use qrcode::{EcLevel, QrCode, render::svg};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, present},
    guard::{Member, refuse_unconfirmed},
    problem::{Code, Problem},
    routes::{Op, Routes},
    staff::StaffDetails,
    tokens::{NewToken, Renewed, gone, with_cookie},
};
use crate::App;

const TAG: &str = "Own profile";

pub(super) fn routes(routes: Routes) -> Routes {
    const ENROL: &[Pending] = &[Pending::EnrolSecondFactor];
    routes
        .get(
            "/v1/admin/me",
            Op::staff("getMe", TAG, "My own details, and how my login is secured", None)
                .despite(Pending::ALL),
            get,
        )
        .patch(
            "/v1/admin/me",
            Op::staff("changeMe", TAG, "Change my own details", None).emits(&["staff.edited"]).problems(&[
                Code::ConfirmationRequired,
                Code::EmailTaken,
                Code::UsernameTaken,
            ]),
            change,
        )
        .put(
            "/v1/admin/me/password",
            Op::staff("changePassword", TAG, "Change my password; my other sessions end", None)
                .confirmed()
                .despite(&[Pending::ChangePassword])
                .emits(&["staff.password_changed"])
                .problems(&[Code::PasswordRefused, Code::Overloaded]),
            change_password,
        )
        .post(
            "/v1/admin/me/totp",
            Op::staff("beginTotp", TAG, "Begin to enrol, or to renew, time-based codes", None)
                .confirmed()
                .despite(ENROL)
                .problems(&[Code::TurnedOff, Code::EmailUnverified]),
            begin_totp,
        )
        .post(
            "/v1/admin/me/totp/confirm",
            Op::staff("confirmTotp", TAG, "Enrol time-based codes by a first one", None)
                .confirmed()
                .despite(ENROL)
                .emits(&["staff.second_factor_added"])
                .problems(&[Code::TurnedOff, Code::EmailUnverified, Code::NotBegun, Code::Overloaded]),
            confirm_totp,
        )
        .delete(
            "/v1/admin/me/totp",
            Op::staff("removeTotp", TAG, "Remove time-based codes; my other sessions end", None)
                .confirmed()
                .emits(&["staff.second_factor_removed"])
                .problems(&[Code::NotFound, Code::SecondFactorNeeded]),
            remove_totp,
        )
        .post(
            "/v1/admin/me/recovery-codes",
            Op::staff("renewRecoveryCodes", TAG, "Ten new recovery codes in the place of the old ones", None)
                .confirmed()
                .emits(&["staff.recovery_codes_renewed"])
                .problems(&[Code::NotFound, Code::Overloaded]),
            renew_recovery_codes,
        )
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotOffered => Self::with_detail(
                Code::TurnedOff,
                "The setting second_factor_methods does not offer this kind of second factor.",
            ),
            Error::EmailUnverified => Self::with_detail(
                Code::EmailUnverified,
                "Open the link in the mail that asks for it, then come back.",
            ),
            Error::NotBegun => Self::with_detail(
                Code::NotBegun,
                "Begin anew: what was begun was confirmed, replaced, or is too old.",
            ),
            Error::WrongCode => Invalid::one(
                "code",
                "wrong",
                "This is not the code the app should show now; check the device's clock.",
            )
            .into(),
            Error::NotEnrolled => {
                Self::with_detail(Code::NotFound, "There is no such second factor to change.")
            }
            Error::Required => Self::with_detail(
                Code::SecondFactorNeeded,
                "A setting or your role requires a second factor, and this is your last: enrol another one first.",
            ),
            Error::TooMany => {
                Invalid::one("", "too_many", "Remove a security key first: there are twenty.").into()
            }
            Error::Key(refused) => {
                Invalid::one("credential", "refused", format!("It cannot be registered: {refused}.")).into()
            }
            Error::Db(error) => error.into(),
        }
    }
}

/// The caller's own login.
pub(super) async fn own_login(reads: &mut impl Reads, member: &Member) -> Result<Login, Problem> {
    logins::find(reads, member.session.login).await?.ok_or_else(gone)
}

/// One's own details.
#[derive(Debug, Serialize, JsonSchema)]
struct Me {
    staff: StaffDetails,
    second_factor: SecondFactorView,
}

/// What of second factors is enrolled.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SecondFactorView {
    totp: bool,
    security_keys: i64,
    recovery_codes_left: i64,
    /// The setting or the role wants one.
    required: bool,
}

impl SecondFactorView {
    pub(super) async fn read(app: &App, member: &Member, reads: &mut impl Reads) -> Result<Self, Problem> {
        let login = own_login(reads, member).await?;
        let enrolled = second_factor::enrolled(reads, login.id).await?;
        let required = second_factor::is_required(reads, &login, &app.settings()).await?;
        Ok(Self {
            totp: enrolled.totp,
            security_keys: enrolled.security_keys,
            recovery_codes_left: enrolled.recovery_codes_left,
            required,
        })
    }
}

impl Me {
    async fn read(app: &App, member: &Member, reads: &mut impl Reads) -> Result<Self, Problem> {
        let staff = staff::find(reads, member.session.staff()).await?.ok_or_else(gone)?;
        let second_factor = SecondFactorView::read(app, member, reads).await?;
        Ok(Me { staff: StaffDetails::read(reads, staff, true).await?, second_factor })
    }
}

async fn get(State(app): State<App>, member: Member) -> Result<Json<Me>, Problem> {
    Ok(Json(Me::read(&app, &member, &mut app.read().await?).await?))
}

/// What to change of oneself; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChangeMe {
    /// A letter, then letters and digits, 64 at most. Wants the password given within ten minutes.
    username: Option<String>,
    /// Wants the password given within ten minutes; the address before is told.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    language: Option<String>,
    /// Of departments I am in: whether I want their ticket notifications.
    departments: Option<Vec<Membership>>,
    /// Plain text, 5,000 characters at most.
    signature: Option<String>,
    /// Plain text, 20,000 characters at most; holders of `staff.notes` see it, too.
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
    member: Member,
    Json(body): Json<ChangeMe>,
) -> Result<Json<Me>, Problem> {
    if body.email.is_some() || body.username.is_some() {
        refuse_unconfirmed(&member.session, app.now())?;
    }
    let change = OwnChange {
        username: body.username,
        email: body.email,
        first_name: body.first_name,
        last_name: body.last_name,
        language: body.language,
        signature: body.signature,
        notes: body.notes,
        template: body.template,
        records_per_page: body.records_per_page,
        notify: body.departments,
    };
    let change = change.checked()?;
    let mut cx = member.begin(&app).await?;
    staff::change_own(&mut cx, member.session.staff(), change).await?;
    let me = Me::read(&app, &member, &mut cx).await?;
    cx.commit().await?;
    Ok(Json(me))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    /// 15 to 256 characters, 8 at least where a second factor is enrolled; common ones and one's own names are refused.
    password: Password,
}

/// Judges a new password that `login`'s owner chose, and hashes it.
pub(super) async fn judge(
    app: &App,
    login: &Login,
    has_second_factor: bool,
    settings: &Settings,
    password: Password,
) -> Result<NewPassword, Problem> {
    let mut turn = app.hasher().turn().await?;
    let needs_factor =
        weigh(app, &mut turn, login, Vec::new(), has_second_factor, settings, &password).await?;
    if turn.verify(password.clone(), login.password_hash.clone()).await.is_right() {
        return Err(Problem::with_detail(
            Code::PasswordRefused,
            "This is the password that is to be replaced.",
        ));
    }
    Ok(NewPassword { hash: turn.hash(password).await, needs_factor })
}

/// The same for one that a colleague chose: whether it is the one before is not theirs to learn. `names` are what the
/// owner is called from now on.
pub(super) async fn judge_for_colleague(
    app: &App,
    login: &Login,
    names: Vec<String>,
    has_second_factor: bool,
    password: Password,
) -> Result<NewPassword, Problem> {
    let mut turn = app.hasher().turn().await?;
    let settings = app.settings();
    let needs_factor = weigh(app, &mut turn, login, names, has_second_factor, &settings, &password).await?;
    Ok(NewPassword { hash: turn.hash(password).await, needs_factor })
}

/// Refuses a password that the rules forbid; whether it may only stand beside a second factor.
async fn weigh(
    app: &App,
    turn: &mut Turn,
    login: &Login,
    names: Vec<String>,
    has_second_factor: bool,
    settings: &Settings,
    password: &Password,
) -> Result<bool, Problem> {
    let mut own_words = names;
    own_words.extend(login.own_words().into_iter().map(str::to_owned));
    own_words.push(app.company());
    let least = logins::least_length(login.audience, has_second_factor, settings);
    // Whether it could stand alone, too: with a second factor a shorter and a weaker one will do.
    let alone = logins::least_length(login.audience, false, settings);
    let needs_factor = turn.check(password.clone(), alone, own_words.clone()).await.is_err();
    if needs_factor {
        turn.check(password.clone(), least, own_words).await?;
    }
    Ok(needs_factor)
}

pub(super) async fn change_password(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ChangePassword>,
) -> Result<Renewed, Problem> {
    let (settings, token) = (app.settings(), member.presented()?.token.clone());
    let mut view = app.read().await?;
    let login = own_login(&mut view, &member).await?;
    let has_second_factor = second_factor::is_enrolled(&mut view, login.id).await?;
    drop(view);
    let new = judge(&app, &login, has_second_factor, &settings, body.password).await?;

    let mut cx = member.begin(&app).await?;
    let session = member.session.session;
    logins::set_password(&mut cx, &login, new, PasswordChange::Owner, Some(session)).await?;
    let started = sessions::renew(&mut cx, &member.session, &token, &settings).await?.ok_or_else(gone)?;
    cx.commit().await?;
    Renewed::new(&app, &member, &started)
}

/// A seed, shown once. It counts from the first code on.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TotpEnrolment {
    /// Base32, for typing in.
    secret: String,
    otpauth_url: String,
    /// The same as a QR code: an SVG image.
    qr_svg: String,
}

pub(super) async fn begin_totp(
    State(app): State<App>,
    member: Member,
) -> Result<Json<TotpEnrolment>, Problem> {
    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    let company = app.company();
    let enrolment = totp::begin(&mut cx, &login, &company, &app.settings()).await?;
    cx.commit().await?;
    let otpauth_url = enrolment.otpauth_url();
    let code = QrCode::with_error_correction_level(otpauth_url.as_bytes(), EcLevel::M);
    let code = code.map_err(Problem::internal)?;
    let qr_svg = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    Ok(Json(TotpEnrolment {
        secret: enrolment.secret().to_string(),
        otpauth_url: otpauth_url.to_string(),
        qr_svg,
    }))
}

/// Recovery codes for whoever has no second factor yet.
pub(super) async fn first_codes(app: &App, member: &Member) -> Result<Option<RecoveryCodes>, Problem> {
    if second_factor::is_enrolled(&mut app.read().await?, member.session.login).await? {
        return Ok(None);
    }
    Ok(Some(RecoveryCodes::new(app.hasher(), app.chance()).await?))
}

/// What its owner sees of them: those that are kept.
pub(super) fn shown(first: bool, codes: Option<RecoveryCodes>) -> Option<Vec<String>> {
    codes.filter(|_| first).map(|codes| codes.reveal())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfirmTotp {
    /// Six digits, as the app shows them.
    code: String,
}

/// A second factor was enrolled. The session has a new token.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TotpAdded {
    /// Shown once, with the first second factor: ten codes for whoever loses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    pending: Vec<Pending>,
    #[serde(skip)]
    new: Option<NewToken>,
}

with_cookie! {
    TotpAdded: |answer| answer.new.take();
}

pub(super) async fn confirm_totp(
    State(app): State<App>,
    member: Member,
    Json(body): Json<ConfirmTotp>,
) -> Result<TotpAdded, Problem> {
    let (settings, token) = (app.settings(), member.presented()?.token.clone());
    totp::look(&mut app.read().await?, member.session.login, &body.code).await?;
    let codes = first_codes(&app, &member).await?;

    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    let session = member.session.session;
    let first = totp::confirm(&mut cx, &login, session, &body.code, codes.as_ref(), &settings).await?;
    let started = sessions::renew(&mut cx, &member.session, &token, &settings).await?.ok_or_else(gone)?;
    cx.commit().await?;
    let (token, pending, new) = Renewed::new(&app, &member, &started)?.parts();
    Ok(TotpAdded { recovery_codes: shown(first, codes), token, pending, new })
}

pub(super) async fn remove_totp(State(app): State<App>, member: Member) -> Result<Renewed, Problem> {
    let (settings, token) = (app.settings(), member.presented()?.token.clone());
    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    totp::remove(&mut cx, &login, member.session.session, &settings).await?;
    let started = sessions::renew(&mut cx, &member.session, &token, &settings).await?.ok_or_else(gone)?;
    cx.commit().await?;
    Renewed::new(&app, &member, &started)
}

/// Ten codes, shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RecoveryCodesView {
    recovery_codes: Vec<String>,
}

pub(super) async fn renew_recovery_codes(
    State(app): State<App>,
    member: Member,
) -> Result<Json<RecoveryCodesView>, Problem> {
    if !second_factor::is_enrolled(&mut app.read().await?, member.session.login).await? {
        return Err(Error::NotEnrolled.into());
    }
    let codes = RecoveryCodes::new(app.hasher(), app.chance()).await?;
    let mut cx = member.begin(&app).await?;
    let login = own_login(&mut cx, &member).await?;
    recovery_codes::renew(&mut cx, &login, &codes).await?;
    cx.commit().await?;
    Ok(Json(RecoveryCodesView { recovery_codes: codes.reveal() }))
}
