//! `/v1/admin/settings`: how the service is set.

use axum::extract::State;
use frontdesk_core::{
    roles::Permission,
    settings::{self, Change, Settings},
};

use super::{
    extract::Json,
    guard::By,
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::{App, live};

const TAG: &str = "Settings";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/admin/settings",
            Op::staff("getSettings", TAG, "Every setting", Some(Permission::SettingsView)),
            get,
        )
        .patch(
            "/v1/admin/settings",
            Op::staff(
                "changeSettings",
                TAG,
                "Change some settings; all of them or none",
                Some(Permission::SettingsEdit),
            )
            .confirmed()
            .emits(&["system.settings_changed"])
            .problems(&[Code::Invalid]),
            change,
        )
}

impl From<settings::Error> for Problem {
    fn from(error: settings::Error) -> Self {
        match error {
            settings::Error::Invalid(invalid) => invalid.into(),
            settings::Error::Db(error) => error.into(),
        }
    }
}

async fn get(State(app): State<App>) -> Result<Json<Settings>, Problem> {
    Ok(Json(settings::load(&mut app.read().await?).await?))
}

async fn change(State(app): State<App>, by: By, Json(body): Json<Change>) -> Result<Json<Settings>, Problem> {
    let mut cx = by.begin(&app).await?;
    let changed = settings::change(&mut cx, body, app.relying_party().is_none()).await?;
    cx.commit().await?;
    // Here at once, at other nodes within a second.
    live::refresh(&app).await?;
    Ok(Json(changed))
}
