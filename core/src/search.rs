//! Searching lists: words that must each occur, in any order, without regard to case.

use crate::invalid::{Invalid, fold};

/// More of a search is not looked for.
const MOST_WORDS: usize = 8;
/// Longer ones find nobody anyway, and databases refuse patterns of some length.
const LONGEST: usize = 200;

/// Whether there can be such a search.
pub fn check(field: &str, search: Option<&str>) -> Result<(), Invalid> {
    if search.is_some_and(|text| text.chars().count() > LONGEST) {
        let message = format!("A search has at most {LONGEST} characters.");
        return Err(Invalid::one(field, "too_long", message));
    }
    Ok(())
}

/// What each word is compared with by `LIKE … ESCAPE '!'`.
pub(crate) fn patterns(search: Option<&str>) -> Vec<String> {
    let escaped = |word: &str| {
        let mut pattern = String::from("%");
        for c in fold(word).chars().filter(|c| *c != '\0') {
            if matches!(c, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(c);
        }
        pattern + "%"
    };
    search.unwrap_or_default().split_whitespace().take(MOST_WORDS).map(escaped).collect()
}
