//! `/healthz` and `/readyz`: for whoever keeps the service running.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    extract::Json,
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/healthz", Op::public("health", "Service", "Is the process alive"), health).get(
        "/readyz",
        Op::public("readiness", "Service", "Can it take requests")
            .problems(&[Code::Overloaded, Code::TryAgain]),
        readiness,
    )
}

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

async fn readiness(State(app): State<App>) -> Result<Json<Health>, Problem> {
    if app.is_stopping() {
        return Err(Problem::with_detail(Code::Overloaded, "This node is stopping."));
    }
    app.read().await?.ping().await?;
    Ok(Json(Health { status: "ok" }))
}
