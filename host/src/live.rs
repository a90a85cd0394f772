//! What this node knows of the settings without asking the database: read again at once after a change made here, and
//! once a second for what others changed.

use std::sync::{Arc, PoisonError, RwLock};

use frontdesk_core::{
    db,
    settings::{self, Settings},
};

use crate::App;

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
    let settings = settings::load(&mut app.read().await?).await?;
    let settings = Settings { no_security_keys: app.relying_party().is_none(), ..settings };
    if *app.live().settings() != settings {
        *app.live().settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
    Ok(())
}
