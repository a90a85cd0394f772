//! `/v1/admin/sessions`: where else I am logged in.

use axum::extract::State;
use frontdesk_core::{
    ids::SessionId,
    sessions::{self, Listed},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Json, NoContent, Path},
    guard::{Member, surface},
    page::{List, Page, Unfiltered},
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Session";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/admin/sessions",
            Op::staff("listSessions", TAG, "Where I am logged in, the session used last first", None),
            list,
        )
        .delete(
            "/v1/admin/sessions",
            Op::staff("endOtherSessions", TAG, "End all my sessions but this one", None)
                .emits(&["session.ended"]),
            end_others,
        )
        .delete(
            "/v1/admin/sessions/{id}",
            Op::staff("endSession", TAG, "End one of my sessions", None)
                .emits(&["session.ended"])
                .problems(&[Code::NotFound]),
            end,
        )
}

/// One of the caller's sessions.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ListedSession {
    id: SessionId,
    /// The one that asks.
    current: bool,
    started_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    /// Where it was started from.
    address: Option<String>,
    /// The User-Agent it was started with.
    client: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    member: Member,
    list: List<Unfiltered>,
) -> Result<Json<Page<ListedSession>>, Problem> {
    let (own, settings) = (&member.session, app.settings());
    let mut view = app.read().await?;
    let page = sessions::list(&mut view, own.login, &settings, own.audience, &list.request).await?;
    let current = own.session;
    Ok(Json(Page::of(page, |session: Listed| ListedSession {
        id: session.id,
        current: session.id == current,
        started_at: session.created_at,
        last_seen_at: session.last_seen_at,
        expires_at: session.expires_at,
        address: session.address,
        client: session.client,
    })))
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SessionPath {
    id: SessionId,
}

pub(super) async fn end(
    State(app): State<App>,
    member: Member,
    Path(SessionPath { id }): Path<SessionPath>,
) -> Result<NoContent, Problem> {
    let mut cx = member.begin(&app).await?;
    if !sessions::end(&mut cx, &member.session, id).await? {
        let detail = format!("GET {}/sessions lists those you have.", surface(member.session.audience));
        return Err(Problem::with_detail(Code::NotFound, detail));
    }
    cx.commit().await?;
    Ok(NoContent)
}

pub(super) async fn end_others(State(app): State<App>, member: Member) -> Result<NoContent, Problem> {
    let mut cx = member.begin(&app).await?;
    sessions::end_others(&mut cx, &member.session).await?;
    cx.commit().await?;
    Ok(NoContent)
}
