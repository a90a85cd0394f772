//! `/v1/admin/dashboard`: the widgets the caller may see, each drawn by its plugin.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use frontdesk_core::{
    roles::Rights,
    sessions::Authenticated,
    staff::{self, Staff},
};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    extract::Json,
    guard::Member,
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::{
    App,
    lending::known,
    plugins::{
        Plugin, ServiceAccess, Viewer, WidgetRequest,
        manifest::{Cache, Widget},
    },
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get(
        "/v1/admin/dashboard",
        Op::staff("showDashboard", "Dashboard", "The widgets I may see, drawn", None),
        show,
    )
}

/// How long the dashboard waits for a widget, its place in the plugin's queue included.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the caller sees first.
#[derive(Debug, Serialize, JsonSchema)]
struct Dashboard {
    /// The light ones first.
    widgets: Vec<WidgetView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct WidgetView {
    id: String,
    /// The plugin that draws it.
    plugin: String,
    title: String,
    description: String,
    /// How wide it is: 1 to 3.
    columns: u8,
    weight: i32,
    /// `summary` and `blocks` to draw one below the other. Null if the widget failed.
    view: Option<serde_json::Value>,
    /// That it failed; for full administrators also why.
    failure: Option<String>,
}

async fn show(State(app): State<App>, member: Member) -> Result<Json<Dashboard>, Problem> {
    let session = member.session;
    let viewer = staff::find(&mut app.read().await?, session.staff()).await?;
    let viewer = viewer.ok_or_else(|| Problem::new(Code::LoginRequired))?;
    let plugins = app.plugins().list();
    let shown = plugins.iter().flat_map(|plugin| {
        let widgets = plugin.manifest().widgets.iter();
        widgets.filter(|widget| may_see(&session.rights, widget)).map(move |widget| (plugin, widget))
    });
    // Only what is shown is drawn, and none waits for another.
    let drawn = shown.map(|(plugin, widget)| draw(&app, plugin, widget, &viewer, &session));
    let mut widgets = join_all(drawn).await;
    widgets.sort_by(|one, other| (one.weight, &one.id).cmp(&(other.weight, &other.id)));
    Ok(Json(Dashboard { widgets }))
}

fn may_see(rights: &Rights, widget: &Widget) -> bool {
    match widget.permission.as_deref() {
        None => true,
        // A permission that a plugin brought is held by those who have everything.
        Some(slug) => rights.everything || known(slug).is_some_and(|permission| rights.has(permission)),
    }
}

async fn draw(
    app: &App,
    plugin: &Arc<Plugin>,
    widget: &Widget,
    viewer: &Staff,
    session: &Arc<Authenticated>,
) -> WidgetView {
    let shared = widget.cache == Cache::Shared;
    let request = WidgetRequest {
        widget: widget.id.clone(),
        viewer: (!shared).then(|| Viewer {
            id: viewer.id.to_string(),
            name: format!("{} {}", viewer.first_name, viewer.last_name),
            locale: viewer.language.clone(),
            time_zone: "UTC".into(),
            permissions: session
                .rights
                .permissions
                .iter()
                .map(|permission| permission.slug().into())
                .collect(),
        }),
        settings: "{}".into(),
        preferences: "{}".into(),
    };
    let access = if shared {
        ServiceAccess::Shared { permission: widget.permission.clone() }
    } else {
        ServiceAccess::Viewer(Arc::clone(session) as Arc<_>)
    };
    let drawn = app.plugins().widget_render(plugin, request, access);
    let (view, failure) = match tokio::time::timeout(PATIENCE, drawn).await {
        Ok(Ok(Ok(rendered))) => (Some(rendered.json), None),
        Ok(Ok(Err(failure))) => (None, Some(failure.message)),
        Ok(Err(error)) => (None, Some(error.to_string())),
        Err(_) => (None, Some(format!("It took longer than {} s.", PATIENCE.as_secs()))),
    };
    // What went wrong inside a plugin is for those who can do something about it.
    let failure = failure.map(|reason| if session.rights.everything { reason } else { "It failed.".into() });
    WidgetView {
        id: widget.id.clone(),
        plugin: plugin.id().into(),
        title: widget.title.clone(),
        description: widget.description.clone(),
        columns: widget.columns,
        weight: widget.weight,
        view,
        failure,
    }
}
