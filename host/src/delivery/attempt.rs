//! One attempt: the host writes the texts, the mailer plugin makes a message of them and hands it to the transport.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use frontdesk_core::outbox::{self, Again, Claim, Delivered, Failed, Outcome};
use futures_util::FutureExt;

use super::mail::{self, Unfit};
use crate::{
    App,
    plugins::{CallError, Failure, Problem},
};

/// Delivers what `claim` holds, and says how it went; nothing if there is no use in it any more. The token is in
/// nothing that is kept.
pub(super) async fn attempt(app: &App, claim: Claim) -> Option<Outcome> {
    // It may have waited for its turn: whoever cancelled meanwhile must not be told wrong.
    let stands = async { outbox::stands(&mut app.read().await?, claim.id, claim.fence).await };
    match stands.await {
        Ok(true) => {}
        Ok(false) => return None,
        // The lease will tell.
        Err(error) => tracing::warn!(%error, "whether a delivery still stands could not be read"),
    }
    let (began_at, began) = (app.now(), Instant::now());
    let (id, fence, attempt) = (claim.id, claim.fence, claim.attempt);
    let secret = claim.token.as_ref().map(|token| token.reveal());
    let clean = |text: String| match &secret {
        Some(secret) => text.replace(secret.as_str(), "[removed]"),
        None => text,
    };
    // A panic is one delivery's trouble, and must not leave it held for ever.
    let result = match AssertUnwindSafe(deliver(app, claim)).catch_unwind().await {
        Ok(Ok(delivered)) => Ok(Delivered { provider_id: delivered.provider_id.map(clean) }),
        Ok(Err(failed)) => Err(Failed { message: clean(failed.message), again: failed.again }),
        Err(_) => {
            Err(Failed { message: "a fault of Frontdesk's own; see its log".into(), again: Again::Scheduled })
        }
    };
    Some(Outcome { id, fence, attempt, began_at, took: began.elapsed(), result })
}

async fn deliver(app: &App, claim: Claim) -> Result<Delivered, Failed> {
    let never = |message: &str| Failed { message: message.into(), again: Again::Never };
    let later = |message: String| Failed { message, again: Again::Scheduled };
    let secret = claim.token.as_ref().map(|token| token.reveal());
    let notification = mail::notification(app, claim).map_err(|unfit| match unfit {
        Unfit::Sealed | Unfit::Unknown(_) => never(&unfit.to_string()),
        Unfit::Template(_) => later(unfit.to_string()),
    })?;
    let mailer = app.config().mailer.plugin.as_str();
    let plugin = app.plugins().get(mailer).ok_or_else(|| {
        later(format!("there is no plugin {mailer}, which [mailer] names; install it, or name another one"))
    })?;
    // Mail goes to those only whom the manifest says it is for: it carries the link.
    if !plugin.sends_mail() {
        return Err(later(format!(
            "the plugin {mailer}, which [mailer] names, sends no mail; name another one"
        )));
    }

    let rule = serde_json::Value::Object(serde_json::Map::new());
    let settings = app.mailer_settings();
    let secrets: Vec<_> = secret.as_deref().into_iter().collect();
    match app.plugins().notifier_send(&plugin, notification, &settings, &rule, &secrets).await {
        Ok(Ok(provider_id)) => Ok(Delivered { provider_id }),
        Ok(Err(failure)) => Err(judge(failure)),
        Err(error @ (CallError::Request(_) | CallError::Answer(_))) => Err(never(&error.to_string())),
        Err(error) => Err(later(error.to_string())),
    }
}

/// A mail waits for a setting to be mended: nothing is lost, and its link says when it is pointless.
fn judge(failure: Failure) -> Failed {
    let again = match failure.kind {
        Problem::Rejected => Again::Never,
        Problem::Misconfigured => Again::Scheduled,
        Problem::Retry => match failure.retry_after_s {
            Some(seconds) => Again::After(Duration::from_secs(seconds.into())),
            None => Again::Scheduled,
        },
    };
    let message = match failure.setting {
        Some(setting) => format!("{} (setting {setting})", failure.message),
        None => failure.message,
    };
    Failed { message, again }
}
