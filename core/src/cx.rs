//! Reading, and the unit of work: the only way in which anything changes.
//!
//! ```text
//! let mut view = service.read().await?;              // most requests: a reader, no transaction
//! let mut cx = service.begin(caller).await?;         // a transaction, its instant, and who acts
//! invitations::cancel(&mut cx, id).await?;
//! cx.commit().await?;                                // without it nothing was
//! ```

use std::{net::IpAddr, sync::Arc};

use tokio::sync::Notify;

use crate::{
    activity::{self, key::LogKey},
    db::{self, Conn, Db, Reader, Tx},
    event::Event,
    ids::{ApiCredentialId, Chance, EventId, EventOrder, StaffId, UserId},
    on,
    outbox::{self, Mail},
    secret::Keyring,
    time::{Clock, Timestamp},
};

/// What every use of the domain needs. One for the whole process.
#[derive(Clone, Debug)]
pub struct Service {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub keys: Keyring,
    /// What the activity log is signed with.
    pub log_key: LogKey,
    pub event_order: EventOrder,
    /// Rung after a commit that left something to deliver.
    pub outbox_bell: Arc<Notify>,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Frontdesk itself.
    System,
    /// Whoever may run commands where Frontdesk is installed.
    CommandLine,
    /// Somebody who has not logged in.
    Guest,
    Staff(StaffId),
    User(UserId),
    /// An admin who came in as that user.
    StaffAsUser(StaffId, UserId),
    /// A program, for its owner.
    Program(StaffId, ApiCredentialId),
}

/// Who acts, and from where: attribution of everything a unit of work does.
#[derive(Clone, Debug)]
pub struct Caller {
    pub actor: Actor,
    pub address: Option<IpAddr>,
    pub request_id: Option<String>,
}

impl Caller {
    pub fn system() -> Self {
        Self { actor: Actor::System, address: None, request_id: None }
    }

    pub fn command_line() -> Self {
        Self { actor: Actor::CommandLine, address: None, request_id: None }
    }
}

/// Something that can be asked: a [`View`], or a [`Cx`] that also sees its own changes.
pub trait Reads: Send {
    fn db(&mut self) -> Conn<'_>;
    fn now(&self) -> Timestamp;
    fn keys(&self) -> &Keyring;
}

/// A look at the data.
#[derive(Debug)]
pub struct View {
    reader: Reader,
    now: Timestamp,
    keys: Keyring,
}

impl Reads for View {
    fn db(&mut self) -> Conn<'_> {
        self.reader.conn()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn keys(&self) -> &Keyring {
        &self.keys
    }
}

/// A unit of work: one transaction, one instant, one caller.
#[derive(Debug)]
pub struct Cx {
    tx: Tx,
    now: Timestamp,
    caller: Caller,
    service: Service,
    ring: bool,
}

impl Reads for Cx {
    fn db(&mut self) -> Conn<'_> {
        self.tx.conn()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn keys(&self) -> &Keyring {
        &self.service.keys
    }
}

impl View {
    /// Whether the database answers.
    pub async fn ping(&mut self) -> Result<(), db::Error> {
        on!(self.db(), conn => sqlx::query("SELECT 1").execute(conn).await.map(|_| ()))?;
        Ok(())
    }
}

impl Service {
    pub async fn read(&self) -> Result<View, db::Error> {
        Ok(View { reader: self.db.read().await?, now: self.clock.now(), keys: self.keys.clone() })
    }

    pub async fn begin(&self, caller: Caller) -> Result<Cx, db::Error> {
        let tx = self.db.begin().await?;
        // After the wait for the write lock: what is judged by this instant is judged now.
        Ok(Cx { tx, now: self.clock.now(), caller, service: self.clone(), ring: false })
    }
}

impl Cx {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    pub fn chance(&self) -> &dyn Chance {
        &*self.service.chance
    }

    pub(crate) fn log_key(&self) -> &LogKey {
        &self.service.log_key
    }

    /// Who turned out to act, once that is proved.
    pub(crate) fn act_as(&mut self, actor: Actor) {
        self.caller.actor = actor;
    }

    /// Writes down what happened.
    pub async fn emit(&mut self, event: impl Into<Event>) -> Result<EventId, db::Error> {
        let id = self.service.event_order.next(self.now, self.chance());
        activity::record(self, id, &event.into()).await?;
        Ok(id)
    }

    /// Writes down what happened, and that somebody is to get a mail about it.
    pub async fn emit_and_mail(&mut self, event: impl Into<Event>, mail: Mail) -> Result<EventId, db::Error> {
        let id = self.emit(event).await?;
        outbox::enqueue(self, id, mail).await?;
        self.ring = true;
        Ok(id)
    }

    /// Gives everything up now. Dropped, it is given up when the connection is used next, which a test may not wait for.
    #[cfg(test)]
    pub(crate) async fn give_up(self) {
        match self.tx {
            Tx::Sqlite(tx) => tx.rollback().await,
            Tx::Postgres(tx) => tx.rollback().await,
        }
        .expect("the database answers");
    }

    /// Keeps everything that was done, then rings for whoever delivers.
    pub async fn commit(self) -> Result<(), db::Error> {
        self.tx.commit().await?;
        if self.ring {
            self.service.outbox_bell.notify_one();
        }
        Ok(())
    }
}
