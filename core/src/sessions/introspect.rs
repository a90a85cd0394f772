//! Other systems ask whose session a token is.

use super::{Authenticated, living, store};
use crate::{cx::Reads, db, ids::SessionId, secret::TokenHash, settings::Settings, time::Timestamp};

/// A user's session, and whose it is.
#[derive(Clone, Debug)]
pub struct Introspected {
    pub session: Authenticated,
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub language: String,
}

/// The session of a user's token, if it lives. Asking is no use of it. `seen`: see [`super::authenticate`].
pub async fn introspect(
    reads: &mut impl Reads,
    token: &TokenHash,
    settings: &Settings,
    seen: impl Fn(SessionId) -> Option<Timestamp>,
) -> Result<Option<Introspected>, db::Error> {
    let Some((found, names)) = store::find_users_with_names(reads.db(), token).await? else {
        return Ok(None);
    };
    let session = living(reads, Some(found), settings, seen).await?;
    let store::Names { email, email_verified, first_name, last_name, language } = names;
    let with_names =
        |session| Introspected { session, email, email_verified, first_name, last_name, language };
    Ok(session.map(with_names))
}
