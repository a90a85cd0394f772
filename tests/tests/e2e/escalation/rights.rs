//! What somebody may do, counted by the test itself and not by the service; and roles drawn by chance.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

const EVERY_REPORT: &str = "report:*";

/// Permissions, reports, or everything.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Rights {
    everything: bool,
    /// Permissions as they are called, and reports as `report:tickets`.
    words: BTreeSet<String>,
}

impl Rights {
    /// As the view of a role has it.
    pub(super) fn of_role(view: &Value) -> Self {
        let list = |field: &str| {
            let items = view[field].as_array().unwrap_or_else(|| panic!("no {field} in {view}"));
            items.iter().map(|item| item.as_str().expect("a word").to_owned()).collect::<Vec<_>>()
        };
        let mut words: BTreeSet<_> = list("permissions").into_iter().collect();
        words.extend(list("reports").iter().map(|report| format!("report:{report}")));
        if view["all_reports"] == true {
            words.insert(EVERY_REPORT.to_owned());
        }
        Self { everything: view["everything"] == true, words }
    }

    /// As the database has it: words, after `everything` for the full role.
    pub(super) fn of_row(row: &str, all: &Rights) -> Self {
        let mut rights = Self::of(row.split_whitespace());
        rights.everything = rights.words.remove("everything");
        if rights.has(EVERY_REPORT) { rights.with_all_reports(all) } else { rights }
    }

    pub(super) fn of<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        Self { everything: false, words: words.into_iter().map(str::to_owned).collect() }
    }

    /// Without what later versions bring.
    pub(super) fn as_of_today(&self) -> Self {
        Self { everything: false, words: self.words.clone() }
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    pub(super) fn with(&self, word: &str) -> Self {
        let mut more = self.clone();
        more.words.insert(word.to_owned());
        more
    }

    /// Those of `all`, and of later versions.
    pub(super) fn with_all_reports(&self, all: &Rights) -> Self {
        let mut more = self.clone();
        more.words.extend(all.words.iter().filter(|word| word.starts_with("report:")).cloned());
        more
    }

    pub(super) fn without(&self, word: &str) -> Self {
        let mut less = self.clone();
        less.words.remove(word);
        if word.starts_with("report:") {
            less.words.remove(EVERY_REPORT);
        }
        less
    }

    /// Whether whoever has these may give the others.
    pub(super) fn cover(&self, others: &Rights) -> bool {
        self.everything || (!others.everything && others.words.is_subset(&self.words))
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    pub(super) fn permissions(&self) -> Vec<&str> {
        self.words().filter(|word| !word.starts_with("report:")).collect()
    }

    /// What a role's body says to permit this.
    pub(super) fn body(&self) -> Value {
        let reports = self.words().filter(|word| *word != EVERY_REPORT);
        let reports: Vec<_> = reports.filter_map(|word| word.strip_prefix("report:")).collect();
        json!({ "permissions": self.permissions(), "reports": reports, "all_reports": self.has(EVERY_REPORT) })
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everything = if self.everything { "everything: " } else { "" };
        write!(f, "{everything}{}", self.words().collect::<Vec<_>>().join(" "))
    }
}

/// By which somebody could come to more than they have, if it were not for the one place that decides.
const DANGEROUS: [&str; 10] = [
    "api.access",
    "api.edit",
    "departments.edit",
    "roles.edit",
    "staff.create",
    "staff.delete",
    "staff.disable",
    "staff.edit",
    "staff.invite",
    "staff.security",
];

/// Somebody to begin with.
#[derive(Debug, Clone)]
pub(super) struct Character {
    pub(super) name: String,
    pub(super) rights: Rights,
    /// The role that they have; else one is made.
    pub(super) role: Option<String>,
}

/// Chance that is the same every time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    fn choose<'c>(&mut self, from: &[&'c str]) -> &'c str {
        let count = u64::try_from(from.len()).expect("a short list");
        from[usize::try_from(self.next() % count).expect("within it")]
    }
}

/// Roles with three dangerous permissions at least. The first has everything but one; each lacks something in `needed`.
pub(super) fn drawn(seed: u64, count: usize, all: &Rights, needed: &Rights) -> Vec<Character> {
    let mut chance = Chance(seed);
    let needed = needed.permissions();
    let characters = (0..count).map(|n| {
        let rights = if n == 0 { all.as_of_today() } else { draw(&mut chance, all) };
        let rights = rights.without(chance.choose(&needed));
        Character { name: format!("number {n} of seed {seed}"), rights, role: None }
    });
    characters.collect()
}

fn draw(chance: &mut Chance, all: &Rights) -> Rights {
    let mut rights = Rights::default();
    for word in all.words().filter(|word| *word != EVERY_REPORT) {
        let often = if DANGEROUS.contains(&word) { 2 } else { 3 };
        if chance.one_in(often) {
            rights = rights.with(word);
        }
    }
    while DANGEROUS.iter().filter(|word| rights.has(word)).count() < 4 {
        rights = rights.with(chance.choose(&DANGEROUS));
    }
    rights
}
