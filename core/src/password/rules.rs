//! Which passwords are taken (NIST SP 800-63B-4, section 3.1.1.2): length, and how hard they are to guess. No rules of
//! composition, and no expiry.

use zxcvbn::matching::{Match, patterns::MatchPattern};

use crate::secret::Password;

/// NIST SP 800-63B-4, section 3.1.1.2: fifteen characters where a password is the only factor.
pub const LEAST_STAFF: usize = 15;
/// NIST SP 800-63B-4, section 3.1.1.2: eight where a second factor stands beside it.
pub const LEAST_WITH_SECOND_FACTOR: usize = 8;
pub const MOST: usize = 256;

/// What a password must keep to. Checked when it is set, never at login.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The fewest characters. A password that may be shorter than [`LEAST_STAFF`] may also be easier to guess.
    pub least: usize,
    /// What a guesser would try first: username, names, email address, company. Whole texts will do; they are taken
    /// apart here.
    pub own_words: &'a [&'a str],
}

/// Why a password was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("A password here has at least {0} characters.")]
    TooShort(usize),
    #[error("A password has at most {0} characters.")]
    TooLong(usize),
    #[error("This is one of the passwords that are tried first. Take one that is not in use everywhere.")]
    Common,
    #[error("This is one short piece, repeated. Take something that goes on.")]
    Repeated,
    #[error(
        "This follows a row: of the keyboard, the alphabet or the numbers. Take something that leaves it."
    )]
    Row,
    #[error("This is little more than a date. Add words that have nothing to do with it.")]
    Date,
    #[error(
        "This is little more than a name or address that belongs to you or to this service. Take words that do not."
    )]
    OwnWords,
    #[error(
        "This is put together from pieces that are easily guessed. Several unrelated words are hard to guess."
    )]
    Guessable,
}

pub fn check(password: &Password, rules: &Rules<'_>) -> Result<(), Refused> {
    let text = password.expose();
    match text.chars().count() {
        length if length < rules.least => return Err(Refused::TooShort(rules.least)),
        length if length > MOST => return Err(Refused::TooLong(MOST)),
        _ => {}
    }
    // Guesses, as powers of ten. Chance alone gives 10^8 for eight characters, which must do; whoever has to choose
    // fifteen has room for more.
    let wanted = if rules.least < LEAST_STAFF { 7.0 } else { 10.0 };
    let text = plain(text);
    let rest = without(&text, &words(rules.own_words));
    if rest.len() < text.len() && weakness(&rest, wanted).is_some() {
        return Err(Refused::OwnWords);
    }
    weakness(&text, wanted).map_or(Ok(()), Err)
}

/// Small letters. Digits of other scripts are one to us: zxcvbn panics when it takes them for a year.
fn plain(text: &str) -> Vec<char> {
    let digit = |c: char| if c.is_numeric() && !c.is_ascii() { '\u{2460}' } else { c };
    text.to_lowercase().chars().map(digit).collect()
}

/// The estimate takes time with the square of the length and more, so that it sees this much at once.
const SEEN: usize = 24;

/// What makes this weak, if its beginning and its end both are. What only repeats is judged once.
fn weakness(text: &[char], wanted: f64) -> Option<Refused> {
    let once = (1..=text.len() / 2).find(|&period| text[period..] == text[..text.len() - period]);
    if let Some(period) = once {
        return weakness(&text[..period], wanted).map(|_| Refused::Repeated);
    }
    let reason = weakness_of_part(&text[..text.len().min(SEEN)], wanted)?;
    if text.len() > SEEN {
        weakness_of_part(&text[text.len() - SEEN..], wanted)?;
    }
    Some(reason)
}

fn weakness_of_part(part: &[char], wanted: f64) -> Option<Refused> {
    let as_letters: String = part.iter().map(|&c| symbol_as_letter(c)).collect();
    let as_keys: String = part.iter().map(|&c| key_without_shift(c)).collect();
    let weak = |text: &str| {
        let found = zxcvbn::zxcvbn(text, &[]);
        (found.guesses() < u64::MAX && guesses(found.sequence()) < wanted).then(|| reason(found.sequence()))
    };
    weak(&as_letters).or_else(|| if as_keys == as_letters { None } else { weak(&as_keys) })
}

/// Guesses, as a power of ten: every piece in every order. zxcvbn's own sum takes three pieces for 10^8 and five for
/// 10^16, however poor they are. (More pieces than that it does not count, and chooses between them at random.)
fn guesses(pieces: &[Match]) -> f64 {
    let pieces = (1u32..)
        .zip(pieces)
        .map(|(n, piece)| (piece.guesses.unwrap_or(1).max(1) as f64).log10() + f64::from(n).log10());
    pieces.sum()
}

/// What most of a weak password is.
fn reason(pieces: &[Match]) -> Refused {
    let longest = pieces.iter().max_by_key(|piece| piece.j - piece.i);
    match longest.map(|piece| &piece.pattern) {
        Some(MatchPattern::Dictionary(_)) if pieces.len() == 1 => Refused::Common,
        Some(MatchPattern::Repeat(_)) => Refused::Repeated,
        Some(MatchPattern::Spatial(_) | MatchPattern::Sequence(_)) => Refused::Row,
        Some(MatchPattern::Date(_) | MatchPattern::Regex(_)) => Refused::Date,
        Some(MatchPattern::Dictionary(_) | MatchPattern::BruteForce) | None => Refused::Guessable,
    }
}

/// "p@$$word" is "password". zxcvbn knows, too, but tries all combinations, which takes it 100 ms when somebody writes
/// every such symbol; the digits it may try alone.
fn symbol_as_letter(c: char) -> char {
    match c {
        '@' => 'a',
        '(' | '{' | '[' | '<' => 'c',
        '!' => 'i',
        '|' => 'l',
        '$' => 's',
        '+' => 't',
        '%' => 'x',
        other => other,
    }
}

/// "!@#$%^&*" is "12345678" on the keyboard that most lists of passwords come from.
fn key_without_shift(c: char) -> char {
    match c {
        '!' => '1',
        '@' => '2',
        '#' => '3',
        '$' => '4',
        '%' => '5',
        '^' => '6',
        '&' => '7',
        '*' => '8',
        '(' => '9',
        ')' => '0',
        '{' | '[' => ']',
        '<' => ',',
        '|' => '\\',
        '+' => '=',
        other => other,
    }
}

/// Letters and the digits and symbols that stand for them are one.
fn folded(c: char) -> char {
    match symbol_as_letter(c) {
        '0' => 'o',
        '1' | 'l' => 'i',
        '2' => 'z',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '6' | '9' => 'g',
        '7' => 't',
        '8' => 'b',
        other => other,
    }
}

/// What is stripped of a password before it is judged: each text as a whole and in its parts, forwards and backwards,
/// the longest first.
fn words(own: &[&str]) -> Vec<Vec<char>> {
    let mut words: Vec<Vec<char>> = Vec::new();
    for text in own.iter().chain(&["frontdesk"]) {
        // Texts as typed need the same form as the password.
        let text = Password::new(text);
        let text: Vec<char> = plain(text.expose()).into_iter().take(MOST).collect();
        let parts = text.split(|c| !c.is_alphanumeric()).map(<[char]>::to_vec);
        let joined = text.iter().copied().filter(|c| c.is_alphanumeric()).collect();
        for mut word in parts.chain([joined, text.clone()]) {
            word.iter_mut().for_each(|c| *c = folded(*c));
            words.push(word.iter().rev().copied().collect());
            words.push(word);
        }
    }
    // Of two letters ("Al", "de") every other password has some.
    words.retain(|word| word.len() >= 3);
    words.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    words.dedup();
    words.truncate(64);
    words
}

fn without(text: &[char], words: &[Vec<char>]) -> Vec<char> {
    let folded: Vec<char> = text.iter().copied().map(folded).collect();
    let mut rest = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match words.iter().find(|word| folded[at..].starts_with(word)) {
            Some(word) => at += word.len(),
            None => {
                rest.push(text[at]);
                at += 1;
            }
        }
    }
    rest
}
