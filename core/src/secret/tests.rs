use std::{collections::BTreeSet, fs, path::PathBuf};

use super::{
    keyring::Key,
    nodes::Node,
    rotation::{Error, Pass, Rotation, SEALED},
    *,
};
use crate::{
    cx::{Caller, Service},
    db::Conn,
    event::InvitationResent,
    ids::{InvitationId, SystemChance},
    on,
    outbox::{self, Mail, MailContent, Recipient},
    testing::{self, TestService},
};

#[test]
fn tokens_travel_as_text_and_never_print() {
    let token = Token::new(&SystemChance);
    assert_eq!(Token::parse(&token.reveal()).unwrap(), token);
    assert_eq!(token.reveal().len(), 43);
    assert_eq!(format!("{token:?} {:?}", Password::new("secret")), "Token(..) Password(..)");
    assert!(Token::parse("short").is_none() && Token::parse(&"=".repeat(43)).is_none());
}

#[test]
fn what_is_sealed_opens_only_where_it_belongs() {
    let keys = Keyring::from_bytes([7; 32]);
    let sealed = keys.newest().seal("delivery 1", b"the link", &SystemChance);
    assert_eq!(keys.unseal("delivery 1", &sealed).unwrap().as_slice(), b"the link");
    assert!(keys.unseal("delivery 2", &sealed).is_err());
    assert!(Keyring::from_bytes([8; 32]).unseal("delivery 1", &sealed).is_err());
    for at in 0..sealed.0.len() {
        let mut changed = sealed.clone();
        changed.0[at] ^= 1;
        assert!(keys.unseal("delivery 1", &changed).is_err(), "byte {at}");
        assert!(keys.unseal("delivery 1", &Sealed(sealed.0[..at].to_vec())).is_err(), "cut at {at}");
    }
}

/// Whoever adds a sealed column and forgets `SEALED` would lose it at the next change of the key.
#[tokio::test(flavor = "multi_thread")]
async fn every_sealed_column_is_known() {
    for test in testing::services().await {
        let mut view = test.service.read().await.unwrap();
        let there: Vec<(String, String)> = match view.db() {
            Conn::Sqlite(conn) => {
                let sql = "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
                           WHERE t.type = 'table' AND c.name LIKE 'sealed%'";
                sqlx::query_as(sql).fetch_all(conn).await
            }
            Conn::Postgres(conn) => {
                let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns
                           WHERE table_schema = current_schema() AND column_name LIKE 'sealed%'";
                sqlx::query_as(sql).fetch_all(conn).await
            }
        }
        .unwrap();
        let there: BTreeSet<_> = there.iter().map(|(table, column)| (&table[..], &column[..])).collect();
        let known: BTreeSet<_> = SEALED.iter().map(|sealed| (sealed.table, sealed.column)).collect();
        assert_eq!(there, known);
        drop(view);
        test.finish().await;
    }
}

/// Data directories that go away.
struct Machines(PathBuf);

impl Machines {
    fn new() -> Self {
        let place = std::env::temp_dir().join(format!("frontdesk-keys-{}", testing::unique()));
        fs::create_dir_all(&place).unwrap();
        Self(place)
    }

    fn file(&self, machine: &str) -> PathBuf {
        self.0.join(machine).join("master.key")
    }

    /// A process on that machine, started now.
    async fn start(&self, machine: &str, test: &TestService) -> Result<Service, KeyError> {
        fs::create_dir_all(self.0.join(machine)).unwrap();
        let keys = Keyring::open(&self.file(machine), &test.service.db, &*test.service.chance).await?;
        Ok(Service { keys, ..test.service.clone() })
    }

    fn copy(&self, from: &str, to: &str) {
        fs::create_dir_all(self.0.join(to)).unwrap();
        fs::copy(self.file(from), self.file(to)).unwrap();
    }

    fn keys_in(&self, machine: &str) -> usize {
        fs::read_to_string(self.file(machine)).unwrap().lines().count()
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

async fn keep_up(service: &Service) {
    service.keys.keep_up(&service.db, &*service.chance).await.unwrap();
}

async fn begin(service: &Service) -> Rotation {
    let mut cx = service.begin(Caller::command_line()).await.unwrap();
    let rotation = rotation::begin(&mut cx).await.unwrap();
    cx.commit().await.unwrap();
    rotation
}

async fn pass(service: &Service, rotation: &Rotation) -> Pass {
    rotation::reseal_pass(service, &Caller::command_line(), rotation).await.unwrap()
}

async fn finish(service: &Service, rotation: &Rotation) -> Result<bool, Error> {
    let mut cx = service.begin(Caller::command_line()).await.unwrap();
    let finished = rotation::finish(&mut cx, rotation, 0).await;
    if finished.is_ok() {
        cx.commit().await.unwrap();
    }
    finished
}

async fn beat(service: &Service, node: &Node, trouble: Option<&str>) {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    nodes::beat(&mut cx, node, &service.keys.written_id(), trouble).await.unwrap();
    cx.commit().await.unwrap();
}

fn node(id: &str) -> Node {
    Node { id: id.into(), name: format!("{id}'s name") }
}

fn mail(service: &Service) -> (Token, Mail) {
    let token = Token::new(&*service.chance);
    let useful_until = service.clock.now().plus(std::time::Duration::from_secs(3600));
    let content = MailContent::StaffInvitation {
        invitation_id: InvitationId::from_u128(1),
        inviter: None,
        role: "Sales".into(),
        expires_at: useful_until,
    };
    let recipient = Recipient { name: String::new(), address: "g@example.com".into(), language: "en".into() };
    (token.clone(), Mail { content, recipient, token: Some(token), useful_until })
}

fn resent() -> InvitationResent {
    InvitationResent {
        invitation_id: InvitationId::from_u128(1),
        kind: "staff",
        email: None,
        account_id: None,
    }
}

/// A secret that waits, sealed by `service`.
async fn enqueue(service: &Service) -> String {
    let (token, mail) = mail(service);
    let mut cx = service.begin(Caller::system()).await.unwrap();
    cx.emit_and_mail(resent(), mail).await.unwrap();
    cx.commit().await.unwrap();
    token.reveal()
}

/// What `service` can open. Nothing is kept of the look.
async fn opened(service: &Service) -> BTreeSet<Option<String>> {
    let mut cx = service.begin(Caller::system()).await.unwrap();
    let claims = outbox::claim(&mut cx, "looking", 1000).await.unwrap();
    cx.give_up().await;
    claims.iter().map(|claim| claim.token.as_ref().map(Token::reveal)).collect()
}

/// Everything in the database that is sealed or could be, wherever it lies.
async fn all_sealed(service: &Service) -> Vec<Vec<u8>> {
    let mut view = service.read().await.unwrap();
    let mut found: Vec<(Option<Vec<u8>>,)> =
        on!(view.db(), conn => sqlx::query_as("SELECT wrapped FROM master_key").fetch_all(conn).await)
            .unwrap();
    for column in SEALED {
        let sql = format!("SELECT {} FROM {}", column.column, column.table);
        let rows: Vec<(Option<Vec<u8>>,)> = on!(view.db(), conn => {
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(conn).await
        })
        .unwrap();
        found.extend(rows);
    }
    found.into_iter().filter_map(|(sealed,)| sealed).collect()
}

async fn event_names(service: &Service) -> Vec<(String, String)> {
    let mut view = service.read().await.unwrap();
    let sql = "SELECT actor_kind, data FROM events WHERE name = 'system.master_key_rotated'";
    on!(view.db(), conn => sqlx::query_as(sql).fetch_all(conn).await).unwrap()
}

/// The new key is everywhere, the old one opens nothing, whatever id it claims to be sealed under.
async fn nothing_is_left_of(old: &[u8; 32], rotation: &Rotation, service: &Service) {
    let old = Key::new(*old);
    assert_eq!(old.id(), rotation.from);
    for sealed in all_sealed(service).await {
        assert_ne!(&sealed[..KEY_ID], old.raw_id());
        assert!(!sealed.windows(32).any(|window| window == old.bytes()));
    }
    let mut view = service.read().await.unwrap();
    let rows: Vec<(i64, String, Option<Vec<u8>>)> = on!(view.db(), conn => {
        sqlx::query_as("SELECT slot, key_id, wrapped FROM master_key").fetch_all(conn).await
    })
    .unwrap();
    assert_eq!(rows, [(1, rotation.to.clone(), None)], "one key, and no copy of it");
}

fn master(file: &std::path::Path) -> [u8; 32] {
    let text = fs::read_to_string(file).unwrap();
    data_encoding::HEXLOWER.decode(text.lines().next().unwrap().as_bytes()).unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_take_up_a_new_key_while_they_work() {
    for test in testing::services().await {
        let machines = Machines::new();
        let one = machines.start("one", &test).await.unwrap();
        machines.copy("one", "two");
        let two = machines.start("two", &test).await.unwrap();
        machines.copy("one", "away");
        let old = master(&machines.file("one"));
        beat(&one, &node("one"), None).await;
        beat(&two, &node("two"), None).await;
        let mut secrets = BTreeSet::from([Some(enqueue(&one).await), Some(enqueue(&two).await)]);

        // The command runs where node one does: the same file, another process.
        let command = machines.start("one", &test).await.unwrap();
        let rotation = begin(&command).await;
        keep_up(&command).await;
        assert!(!rotation.resumed);
        assert_eq!(machines.keys_in("one"), 2);

        // Node two has heard of nothing, seals under the new key all the same, and node one opens it.
        assert_eq!(two.keys.id(), rotation.from);
        secrets.insert(Some(enqueue(&two).await));
        let newest = all_sealed(&one).await;
        assert_eq!(newest.iter().filter(|sealed| sealed[..KEY_ID] == Key::new(old).raw_id()).count(), 3);
        assert_eq!(opened(&one).await, secrets, "old and new");
        assert_eq!(opened(&two).await, secrets);

        assert!(matches!(finish(&command, &rotation).await, Err(Error::Unfinished(2))));
        assert_eq!(pass(&command, &rotation).await, Pass { resealed: 2, ..Pass::default() });
        let Err(Error::Waiting(waiting)) = finish(&command, &rotation).await else { panic!("too early") };
        assert_eq!(waiting.len(), 2);
        keep_up(&one).await;
        beat(&one, &node("one"), None).await;
        beat(&two, &node("two"), Some("read-only")).await;
        let Err(Error::Waiting(waiting)) = finish(&command, &rotation).await else { panic!("too early") };
        assert_eq!(waiting[0].name, "two's name");
        assert_eq!(waiting[0].trouble.as_deref(), Some("read-only"));
        keep_up(&two).await;
        beat(&two, &node("two"), None).await;
        assert!(finish(&command, &rotation).await.unwrap());
        assert!(!finish(&command, &rotation).await.unwrap(), "once");

        for (service, machine) in [(&command, "one"), (&one, "one"), (&two, "two")] {
            keep_up(service).await;
            assert_eq!(machines.keys_in(machine), 1);
            assert_eq!(opened(service).await, secrets);
        }
        nothing_is_left_of(&old, &rotation, &one).await;
        let data = format!(r#"{{"from":"{}","to":"{}"}}"#, rotation.from, rotation.to);
        assert_eq!(event_names(&one).await, [("command_line".to_owned(), data)]);

        let again = machines.start("two", &test).await.unwrap();
        assert_eq!(opened(&again).await, secrets);
        let refused = machines.start("away", &test).await.unwrap_err();
        let sentence = format!("this database belongs to master key {}, but ", rotation.to);
        assert!(refused.to_string().starts_with(&sentence), "{refused}");
        test.finish().await;
    }
}

/// The command is killed after each step in turn, and every other process as well; each time everything opens, for
/// those who have only the old key, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_interrupted_goes_on_where_it_stopped() {
    for test in testing::services().await {
        for killed_after in 0..5 {
            let machines = Machines::new();
            let mut cx = test.service.begin(Caller::system()).await.unwrap();
            for sql in ["DELETE FROM master_key", "DELETE FROM deliveries", "DELETE FROM events"] {
                on!(cx.db(), conn => sqlx::query(sql).execute(conn).await.map(|_| ())).unwrap();
            }
            cx.commit().await.unwrap();

            let one = machines.start("one", &test).await.unwrap();
            let old = master(&machines.file("one"));
            let mut secrets = BTreeSet::from([Some(enqueue(&one).await), Some(enqueue(&one).await)]);
            machines.copy("one", "two");
            let command = machines.start("one", &test).await.unwrap();
            'killed: {
                if killed_after == 0 {
                    // Nothing was committed.
                    let mut cx = command.begin(Caller::command_line()).await.unwrap();
                    rotation::begin(&mut cx).await.unwrap();
                    break 'killed;
                }
                let rotation = begin(&command).await;
                if killed_after == 1 {
                    break 'killed;
                }
                keep_up(&command).await;
                if killed_after == 2 {
                    break 'killed;
                }
                pass(&command, &rotation).await;
                if killed_after == 3 {
                    break 'killed;
                }
                keep_up(&machines.start("two", &test).await.unwrap()).await;
                assert!(finish(&command, &rotation).await.unwrap());
            }
            drop((one, command));
            let two = machines.start("two", &test).await.unwrap();
            assert_eq!(opened(&two).await, secrets, "killed after step {killed_after}");
            secrets.insert(Some(enqueue(&two).await));
            let one = machines.start("one", &test).await.unwrap();
            assert_eq!(opened(&one).await, secrets, "killed after step {killed_after}");

            let rotation = begin(&one).await;
            assert_eq!(rotation.resumed, matches!(killed_after, 1..=3), "killed after step {killed_after}");
            keep_up(&one).await;
            keep_up(&two).await;
            assert_eq!(pass(&one, &rotation).await.left, 0);
            assert!(finish(&one, &rotation).await.unwrap());
            keep_up(&one).await;
            keep_up(&two).await;
            assert_eq!((machines.keys_in("one"), machines.keys_in("two")), (1, 1));
            assert_eq!(opened(&one).await, secrets);
            assert_eq!(opened(&two).await, secrets);
            if killed_after < 4 {
                nothing_is_left_of(&old, &rotation, &one).await;
            }
        }
        test.finish().await;
    }
}

/// A unit of work that has sealed and not committed is waited for, so that its secret is found and sealed again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_sealed_when_the_key_changes_is_not_lost() {
    for test in testing::services().await {
        let machines = Machines::new();
        let one = machines.start("one", &test).await.unwrap();
        let old = master(&machines.file("one"));
        let (token, mail) = mail(&one);
        let mut sealing = one.begin(Caller::system()).await.unwrap();
        sealing.emit_and_mail(resent(), mail).await.unwrap();

        let beginning = tokio::spawn({
            let command = machines.start("one", &test).await.unwrap();
            async move { (begin(&command).await, command) }
        });
        // Whichever way the two are interleaved from here on, the change comes after.
        tokio::task::yield_now().await;
        sealing.commit().await.unwrap();
        let (rotation, command) = beginning.await.unwrap();
        keep_up(&command).await;
        keep_up(&one).await;
        assert_eq!(pass(&command, &rotation).await, Pass { resealed: 1, ..Pass::default() });
        assert!(finish(&command, &rotation).await.unwrap());
        assert_eq!(opened(&one).await, BTreeSet::from([Some(token.reveal())]));
        nothing_is_left_of(&old, &rotation, &one).await;
        test.finish().await;
    }
}

/// A process that slept through it all seals nothing that nobody could open.
#[tokio::test(flavor = "multi_thread")]
async fn who_missed_the_change_seals_nothing() {
    for test in testing::services().await {
        let machines = Machines::new();
        let one = machines.start("one", &test).await.unwrap();
        machines.copy("one", "asleep");
        let asleep = machines.start("asleep", &test).await.unwrap();
        let secret = enqueue(&one).await;
        let rotation = begin(&one).await;
        keep_up(&one).await;
        pass(&one, &rotation).await;
        assert!(finish(&one, &rotation).await.unwrap());

        let (_, mail) = mail(&asleep);
        let mut cx = asleep.begin(Caller::system()).await.unwrap();
        let refused = cx.emit_and_mail(resent(), mail).await.unwrap_err();
        assert!(matches!(&refused, db::Error::MissingKey(key) if *key == rotation.to), "{refused}");
        drop(cx);
        // It takes no delivery either, which would be given up for want of its link.
        let mut cx = asleep.begin(Caller::system()).await.unwrap();
        let refused = outbox::claim(&mut cx, "asleep", 1000).await.unwrap_err();
        assert!(matches!(&refused, db::Error::MissingKey(key) if *key == rotation.to), "{refused}");
        drop(cx);
        // The file from another node mends it, without a restart.
        machines.copy("one", "asleep");
        keep_up(&asleep).await;
        assert_eq!(opened(&asleep).await, BTreeSet::from([Some(secret)]));
        test.finish().await;
    }
}

/// Nobody who changes a row meanwhile loses the change: it is sealed again only as it was read.
#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_is_not_overwritten() {
    for test in testing::services().await {
        let machines = Machines::new();
        let one = machines.start("one", &test).await.unwrap();
        enqueue(&one).await;
        let key = one.keys.newest().raw_id();
        let mut cx = one.begin(Caller::system()).await.unwrap();
        let taken = store::take(&mut cx, &SEALED[0], &key, "", 9).await.unwrap();
        let [(id, sealed)] = &taken[..] else { panic!("one row") };
        let other = cx.seal(id, b"what somebody else wrote").await.unwrap();
        assert!(store::swap(&mut cx, &SEALED[0], id, sealed, &other).await.unwrap());
        assert!(!store::swap(&mut cx, &SEALED[0], id, sealed, sealed).await.unwrap());
        let wiped = "UPDATE deliveries SET sealed_token = NULL";
        on!(cx.db(), conn => sqlx::query(wiped).execute(conn).await.map(|_| ())).unwrap();
        assert!(!store::swap(&mut cx, &SEALED[0], id, &other, sealed).await.unwrap());
        drop(cx);
        test.finish().await;
    }
}

/// What no key opens is left as it is, and counted.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_secrets_stop_nothing() {
    for test in testing::services().await {
        let machines = Machines::new();
        let one = machines.start("one", &test).await.unwrap();
        for _ in 0..40 {
            enqueue(&one).await;
        }
        let mut cx = one.begin(Caller::system()).await.unwrap();
        // Cut to what still names the key.
        let sql = "UPDATE deliveries SET sealed_token = substr(sealed_token, 1, 9)
                   WHERE id = (SELECT MIN(id) FROM deliveries)";
        on!(cx.db(), conn => sqlx::query(sql).execute(conn).await.map(|_| ())).unwrap();
        cx.commit().await.unwrap();
        let rotation = begin(&one).await;
        keep_up(&one).await;
        assert_eq!(pass(&one, &rotation).await, Pass { resealed: 39, left: 0, unreadable: 1 });
        assert_eq!(pass(&one, &rotation).await, Pass { resealed: 0, left: 0, unreadable: 1 });
        assert!(matches!(finish(&one, &rotation).await, Err(Error::Unfinished(1))));
        let mut cx = one.begin(Caller::command_line()).await.unwrap();
        assert!(rotation::finish(&mut cx, &rotation, 1).await.unwrap());
        cx.commit().await.unwrap();
        assert_eq!(opened(&one).await.iter().flatten().count(), 39);
        test.finish().await;
    }
}
