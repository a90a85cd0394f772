//! `/v1/admin/bans` and `/v1/admin/trusted-addresses`: who is kept out by address, and who never is.

use axum::extract::State;
use frontdesk_core::{
    cx::Cx,
    ids::{BanId, StaffId, TrustedAddressId},
    limits::bans::{self, Ban, Kind, TrustedAddress},
    network::Network,
    roles::Permission,
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Created, Json, NoContent, Path},
    guard::By,
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::{App, bans::refresh};

const TAG: &str = "Bans";

pub(super) fn routes(routes: Routes) -> Routes {
    let (view, manage) = (Some(Permission::BansView), Some(Permission::BansManage));
    routes
        .get("/v1/admin/bans", Op::staff("listBans", TAG, "List bans", view), list)
        .post(
            "/v1/admin/bans",
            Op::staff("addBan", TAG, "Ban a network by hand", manage)
                .confirmed()
                .emits(&["system.address_banned"]),
            add,
        )
        .delete(
            "/v1/admin/bans/{id}",
            Op::staff("liftBan", TAG, "Lift a ban", manage).confirmed().emits(&["system.ban_lifted"]),
            lift,
        )
        .get(
            "/v1/admin/trusted-addresses",
            Op::staff("listTrustedAddresses", TAG, "List trusted addresses", view),
            list_trusted,
        )
        .post(
            "/v1/admin/trusted-addresses",
            Op::staff("trustAddress", TAG, "Trust a network never to be banned", manage)
                .confirmed()
                .emits(&["system.address_trusted"]),
            trust,
        )
        .delete(
            "/v1/admin/trusted-addresses/{id}",
            Op::staff("distrustAddress", TAG, "Trust a network no longer", manage)
                .confirmed()
                .emits(&["system.address_untrusted"]),
            distrust,
        )
}

impl From<bans::Error> for Problem {
    fn from(error: bans::Error) -> Self {
        match error {
            bans::Error::Invalid(invalid) => invalid.into(),
            bans::Error::NotFound => Self::new(Code::NotFound),
            bans::Error::Db(error) => error.into(),
        }
    }
}

/// A network that is kept out.
#[derive(Debug, Serialize, JsonSchema)]
struct BanView {
    id: BanId,
    network: Network,
    /// `automatic`: by failed logins; refuses logins of staff, not open sessions. `manual`: by hand; refuses everything.
    kind: Kind,
    reason: String,
    created_at: Timestamp,
    /// Null: until it is lifted.
    expires_at: Option<Timestamp>,
    /// The member of staff who banned it; null for automatic bans, the command line, and members who are gone.
    created_by: Option<StaffId>,
}

impl From<Ban> for BanView {
    fn from(ban: Ban) -> Self {
        let Ban { id, network, kind, reason, created_at, expires_at, created_by } = ban;
        Self { id, network, kind, reason, created_at, expires_at, created_by }
    }
}

/// Commits, and lets this node know at once what the others find out within a second.
async fn keep(app: &App, cx: Cx) -> Result<(), Problem> {
    cx.commit().await?;
    if let Err(error) = refresh(app).await {
        tracing::warn!(%error, "the bans could not be read again; trying again in a second");
    }
    Ok(())
}

async fn list(State(app): State<App>, list: List<Unfiltered>) -> Result<Json<Page<BanView>>, Problem> {
    let page = bans::list(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, BanView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AddBan {
    /// An address or a network in CIDR notation; an IPv6 address alone means its /64. Neither your own nor a trusted one.
    network: String,
    /// One line, 200 characters at most.
    #[serde(default)]
    reason: String,
    /// Absent: until it is lifted.
    expires_at: Option<Timestamp>,
}

async fn add(State(app): State<App>, by: By, Json(body): Json<AddBan>) -> Result<Created<BanView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let ban = bans::ban(&mut cx, &body.network, &body.reason, body.expires_at).await?;
    keep(&app, cx).await?;
    Ok(Created(ban.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct BanPath {
    id: BanId,
}

async fn lift(
    State(app): State<App>,
    by: By,
    Path(BanPath { id }): Path<BanPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    bans::lift(&mut cx, id).await?;
    keep(&app, cx).await?;
    Ok(NoContent)
}

/// A network that is never banned by address. Failed logins from there are reported by an event each.
#[derive(Debug, Serialize, JsonSchema)]
struct TrustedAddressView {
    id: TrustedAddressId,
    network: Network,
    note: Option<String>,
    created_at: Timestamp,
}

impl From<TrustedAddress> for TrustedAddressView {
    fn from(trusted: TrustedAddress) -> Self {
        let TrustedAddress { id, network, note, created_at } = trusted;
        Self { id, network, note, created_at }
    }
}

async fn list_trusted(
    State(app): State<App>,
    list: List<Unfiltered>,
) -> Result<Json<Page<TrustedAddressView>>, Problem> {
    let page = bans::list_trusted(&mut app.read().await?, &list.request).await?;
    Ok(Json(Page::of(page, TrustedAddressView::from)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TrustAddress {
    /// An address or a network in CIDR notation.
    network: String,
    /// One line, 200 characters at most.
    note: Option<String>,
}

async fn trust(
    State(app): State<App>,
    by: By,
    Json(body): Json<TrustAddress>,
) -> Result<Created<TrustedAddressView>, Problem> {
    let mut cx = by.begin(&app).await?;
    let trusted = bans::trust(&mut cx, &body.network, body.note.as_deref()).await?;
    keep(&app, cx).await?;
    Ok(Created(trusted.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct TrustedAddressPath {
    id: TrustedAddressId,
}

async fn distrust(
    State(app): State<App>,
    by: By,
    Path(TrustedAddressPath { id }): Path<TrustedAddressPath>,
) -> Result<NoContent, Problem> {
    let mut cx = by.begin(&app).await?;
    bans::distrust(&mut cx, id).await?;
    keep(&app, cx).await?;
    Ok(NoContent)
}
