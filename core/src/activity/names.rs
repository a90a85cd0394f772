//! What people and accounts in the log are called, those included who are gone.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::store;
use crate::{
    cx::{Cx, Reads},
    db,
};

/// Keeps what somebody or something is called who is about to be deleted.
pub async fn keep_name(cx: &mut Cx, id: impl Into<Uuid>, name: &str) -> Result<(), db::Error> {
    store::insert_name(cx.db(), &id.into().to_string(), name).await
}

/// Forgets it: the person is erased. Whether there was anything to forget.
pub async fn forget_name(cx: &mut Cx, id: impl Into<Uuid>) -> Result<bool, db::Error> {
    store::delete_name(cx.db(), &id.into().to_string()).await
}

/// Names by id, read as they are needed.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<String, Option<String>>,
}

impl Names {
    /// Reads the names of whom `rows` speak of and who is not known yet.
    pub(super) async fn learn(
        &mut self,
        reads: &mut impl Reads,
        rows: &[super::Row],
    ) -> Result<(), db::Error> {
        let ids = rows.iter().flat_map(|row| {
            [&row.actor_id, &row.as_user_id, &row.account_id, &row.subject_id].into_iter().flatten()
        });
        let new: HashSet<&str> = ids.map(String::as_str).filter(|id| !self.known.contains_key(*id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let new: Vec<String> = new.into_iter().map(str::to_owned).collect();
        let found = store::names(reads, &new).await?;
        self.known.extend(new.into_iter().map(|id| (id, None)));
        self.known.extend(found.into_iter().map(|(id, name)| (id, Some(name))));
        Ok(())
    }

    pub(super) fn of(&self, id: &Option<String>) -> Option<&str> {
        self.known.get(id.as_deref()?)?.as_deref()
    }
}
