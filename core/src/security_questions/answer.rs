//! Answers: how they are compared, and what is kept of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};
use zeroize::Zeroizing;

use crate::{
    invalid::Invalid,
    password::{PasswordHash, Turn},
    secret::Password,
};

const LEAST: usize = 2;
const MOST: usize = 256;

/// An answer as somebody typed it, in the form in which answers are compared: NFKC, in lower case, without white space.
#[derive(Clone, Debug)]
pub struct Answer(Password);

/// What is kept of an answer: argon2id, as of passwords.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct AnswerHash(PasswordHash);

impl Answer {
    pub fn new(text: &str) -> Self {
        let composed = Password::new(text);
        let lower = Zeroizing::new(composed.expose().to_lowercase());
        let folded: Zeroizing<String> = Zeroizing::new(lower.split_whitespace().collect());
        // Lower case of what was composed need not be.
        Self(Password::new(&folded))
    }

    /// Whether it can be somebody's.
    pub fn check(&self) -> Result<(), Invalid> {
        let message = match self.0.expose().chars().count() {
            LEAST..=MOST => return Ok(()),
            0 => return Err(Invalid::one("answer", "required", "An answer is wanted.")),
            count if count < LEAST => {
                format!("An answer has {LEAST} characters at least; spaces do not count.")
            }
            _ => format!("An answer has at most {MOST} characters."),
        };
        Err(Invalid::one("answer", "malformed", message))
    }

    pub async fn hash(self, turn: &mut Turn) -> AnswerHash {
        AnswerHash(turn.hash(self.0).await)
    }

    /// Whether it is the one behind `hash`.
    pub async fn verify(self, turn: &mut Turn, hash: &AnswerHash) -> bool {
        turn.verify(self.0, Some(hash.0.clone())).await.is_right()
    }
}

impl AnswerHash {
    /// A hash that no answer matches.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self(PasswordHash::for_tests())
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        // Longer than 256 characters in any encoding.
        if text.len() > 4096 {
            return Err(D::Error::custom("an answer has at most 256 characters"));
        }
        Ok(Self::new(&text))
    }
}

impl JsonSchema for Answer {
    fn schema_name() -> Cow<'static, str> {
        "Answer".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "format": "password", "maxLength": 4096,
            "description": "To the user's security question. Capitals and spaces make no difference.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_without_regard_to_case_spaces_and_ways_to_write() {
        let same = [
            ["Saint Mary's", " saint  MARY'S\t"],
            ["Ärger", "a\u{308}rger"],
            ["ﬁsh", "FI SH"],
            ["Ａｄａ", "ada"],
            ["a\u{a0}b\u{3000}c", "abc"],
            ["ΟΔΟΣ", "οδος"],
        ];
        for [one, other] in same {
            assert_eq!(Answer::new(one).0.expose(), Answer::new(other).0.expose(), "{one} {other}");
        }
        assert_ne!(Answer::new("ada").0.expose(), Answer::new("adá").0.expose());
        assert_eq!(format!("{:?}", Answer::new("ada")), "Answer(Password(..))");
    }

    #[test]
    fn answers_have_two_characters_at_least_that_are_no_spaces() {
        for good in ["ab", "李明", &"x".repeat(256), &" x ".repeat(256)] {
            assert!(Answer::new(good).check().is_ok(), "{good}");
        }
        for bad in ["", "  \n", " a ", "李", &"x".repeat(257)] {
            assert!(Answer::new(bad).check().is_err(), "{bad}");
        }
    }
}
