//! Taking old entries away: whole segments, from the old end, and a signed checkpoint stands for them.

use super::{
    key::{self, LogKey},
    seal::{Head, Hex},
    store,
};
use crate::{
    cx::{Caller, Reads, Service},
    db,
    event::ActivityTrimmed,
    time::Timestamp,
};

/// How many entries one transaction takes away: on SQLite others wait for it.
const BATCH: i64 = 500;

/// What retention left in the place of the entries that it took away.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Checkpoint {
    /// The number of the last entry that went.
    pub number: i64,
    /// Its link, from which the next one's follows.
    #[sqlx(try_from = "Vec<u8>")]
    pub link: Hex,
    pub at: Timestamp,
    /// As a head's, over the text `frontdesk activity checkpoint`.
    #[sqlx(try_from = "Vec<u8>")]
    pub signature: Hex,
}

impl Checkpoint {
    fn signed(by: &LogKey, number: i64, link: Hex, at: Timestamp) -> Self {
        let mut checkpoint = Self { number, link, at, signature: Hex(Vec::new()) };
        checkpoint.signature = Hex(by.sign(&checkpoint.text()));
        checkpoint
    }

    fn text(&self) -> String {
        format!("frontdesk activity checkpoint\n{}\n{}\n{}\n", self.number, self.link, self.at.as_millis())
    }

    pub(super) fn is_signed(&self, public: &[u8]) -> bool {
        key::is_signed(public, &self.text(), &self.signature.0)
    }
}

/// Takes away what was sealed more than `keep_days` ago, in whole segments. 0 keeps everything. How many entries went.
///
/// An entry stays as long as somebody is still to be told of it; what is on record of telling people goes with it.
pub async fn trim(service: &Service, keep_days: u32) -> Result<u64, db::Error> {
    let mut view = service.read().await?;
    let last = store::checkpoint(view.db()).await?;
    let removed = last.as_ref().map_or(0, |checkpoint| checkpoint.number);
    let before =
        service.clock.now().minus(std::time::Duration::from_secs(u64::from(keep_days) * 24 * 60 * 60));
    let head = match keep_days {
        0 => None,
        _ => store::removable(view.db(), removed, before).await?,
    };
    let head = match head {
        Some(head) if is_ours(service, &mut view, &head).await? => Some(head),
        Some(head) => {
            tracing::error!(
                number = head.number,
                "a head of the activity log is not what was signed: retention takes nothing away, and \
                 `frontdesk activity verify` says more"
            );
            None
        }
        None => None,
    };
    drop(view);
    let through = match head {
        Some(head) => {
            let checkpoint =
                Checkpoint::signed(&service.log_key, head.number, head.link, service.clock.now());
            let mut cx = service.begin(Caller::system()).await?;
            if store::insert_checkpoint(cx.db(), &checkpoint).await? {
                let entries = checkpoint.number - removed;
                cx.emit(ActivityTrimmed { through: checkpoint.number, entries, before }).await?;
                cx.commit().await?;
            }
            checkpoint.number
        }
        None => removed,
    };
    // Also what an interrupted run left.
    sweep(service, through).await
}

/// Whether this log's key signed a head, and the chain goes through it.
async fn is_ours(service: &Service, reads: &mut impl Reads, head: &Head) -> Result<bool, db::Error> {
    let stored = store::link_of(reads.db(), head.number).await?;
    Ok(head.is_signed(service.log_key.public()) && stored.as_ref() == Some(&head.link.0))
}

/// Takes every entry away that a checkpoint stands for.
async fn sweep(service: &Service, through: i64) -> Result<u64, db::Error> {
    let mut gone = 0;
    loop {
        let mut view = service.read().await?;
        let left = store::first_number(view.db()).await?.is_some_and(|number| number <= through);
        drop(view);
        if !left {
            return Ok(gone);
        }
        let mut cx = service.begin(Caller::system()).await?;
        gone += store::remove(cx.db(), through, BATCH).await?;
        store::forget_heads(cx.db(), through).await?;
        cx.commit().await?;
    }
}
