//! What this node knows of the settings and the mail templates without asking the database: read again at once after a change made here, and
//! once a second for what others changed.

use std::sync::{Arc, PoisonError, RwLock};

use frontdesk_core::{
    db, mail_templates,
    settings::{self, Settings},
};

use crate::{App, mail::Override};

/// How long a change made at another node, or by the command line, goes unnoticed.
pub(crate) const REFRESH_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Live {
    settings: RwLock<Arc<Settings>>,
}

impl Live {
    /// `no_security_keys`: see [`Settings::no_security_keys`].
    pub(crate) fn new(settings: Settings, no_security_keys: bool) -> Self {
        let settings = Settings { no_security_keys, ..settings };
        Self { settings: RwLock::new(Arc::new(settings)) }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        // Nothing panics while it is held.
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads again what the database has.
pub(crate) async fn refresh(app: &App) -> Result<(), db::Error> {
    let mut view = app.read().await?;
    let settings = settings::load(&mut view).await?;
    let mark = mail_templates::mark(&mut view).await?;
    let templates = match app.templates().is_outdated(&mark) {
        true => Some(mail_templates::list(&mut view).await?),
        false => None,
    };
    drop(view);
    let settings = Settings { no_security_keys: app.relying_party().is_none(), ..settings };
    if *app.live().settings() != settings {
        *app.live().settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
    if let Some(templates) = templates {
        let templates = templates.into_iter().map(Override::from).collect();
        if let Err(error) = app.templates().take(templates, mark) {
            tracing::error!(%error, "the mail templates could not be prepared; those before stay in force");
        }
    }
    Ok(())
}
