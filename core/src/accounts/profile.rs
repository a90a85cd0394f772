//! What is known of an account: names, address, tax id.

use crate::{
    event::Changes,
    invalid::{self, Invalid},
    text_enum::text_enum,
};

text_enum! {
    /// What kind of party an account is.
    #[schemars(rename = "AccountKind")]
    pub enum Kind {
        Company => "company",
        Person => "person",
    }
}

/// What is known of an account. Every field is checked; empty is unknown.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Profile {
    pub kind: Kind,
    /// The company's or the person's, as invoices show it.
    pub name: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: String,
    pub line1: String,
    pub line2: String,
    pub city: String,
    pub region: String,
    pub postcode: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    pub tax_id: String,
    /// ISO 4217.
    pub currency: String,
}

/// What to change of a profile, or what is given of a new one; what is left out stays, or is unknown.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    pub kind: Option<Kind>,
    pub name: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub line1: Option<String>,
    pub line2: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub postcode: Option<String>,
    pub country: Option<String>,
    pub tax_id: Option<String>,
    pub currency: Option<String>,
}

/// Of accounts for which nobody said another one.
const DEFAULT_CURRENCY: &str = "EUR";

const MOST: usize = 200;

impl ProfileChange {
    /// The same with every field in its kept form; the fields are called `prefix` and their name.
    pub fn checked(self, prefix: &str, invalid: &mut Invalid) -> Self {
        let mut text = |name: &str, to: Option<String>| {
            to.map(|to| invalid.take(&format!("{prefix}{name}"), invalid::line(&to, MOST)))
        };
        let (phone, line1, line2) =
            (text("phone", self.phone), text("address.line1", self.line1), text("address.line2", self.line2));
        let (city, region) = (text("address.city", self.city), text("address.region", self.region));
        let (postcode, tax_id) = (text("address.postcode", self.postcode), text("tax_id", self.tax_id));
        let mut take = |name: &str, to: Option<String>, check: fn(&str) -> _| {
            to.map(|to| invalid.take(&format!("{prefix}{name}"), check(&to)))
        };
        Self {
            kind: self.kind,
            name: take("name", self.name, name),
            first_name: take("first_name", self.first_name, invalid::person_name),
            last_name: take("last_name", self.last_name, invalid::person_name),
            email: take("email", self.email, invalid::email),
            country: take("address.country", self.country, country),
            currency: take("currency", self.currency, currency),
            phone,
            line1,
            line2,
            city,
            region,
            postcode,
            tax_id,
        }
    }

    /// A new profile; what is not given of its person is the owner's.
    pub(crate) fn into_profile(self, first_name: &str, last_name: &str, email: &str) -> Profile {
        let or = |given: Option<String>, else_: &str| given.unwrap_or_else(|| else_.to_owned());
        let (first_name, last_name) = (or(self.first_name, first_name), or(self.last_name, last_name));
        Profile {
            kind: self.kind.unwrap_or(Kind::Person),
            name: or(self.name, format!("{first_name} {last_name}").trim()),
            email: or(self.email, email),
            phone: or(self.phone, ""),
            line1: or(self.line1, ""),
            line2: or(self.line2, ""),
            city: or(self.city, ""),
            region: or(self.region, ""),
            postcode: or(self.postcode, ""),
            country: or(self.country, ""),
            tax_id: or(self.tax_id, ""),
            currency: or(self.currency, DEFAULT_CURRENCY),
            first_name,
            last_name,
        }
    }

    pub(super) fn apply(self, to: &mut Profile) {
        fn set<T>(field: &mut T, to: Option<T>) {
            if let Some(to) = to {
                *field = to;
            }
        }
        set(&mut to.kind, self.kind);
        set(&mut to.name, self.name);
        set(&mut to.first_name, self.first_name);
        set(&mut to.last_name, self.last_name);
        set(&mut to.email, self.email);
        set(&mut to.phone, self.phone);
        set(&mut to.line1, self.line1);
        set(&mut to.line2, self.line2);
        set(&mut to.city, self.city);
        set(&mut to.region, self.region);
        set(&mut to.postcode, self.postcode);
        set(&mut to.country, self.country);
        set(&mut to.tax_id, self.tax_id);
        set(&mut to.currency, self.currency);
    }
}

impl Profile {
    pub(super) fn note(&self, after: &Self, changes: &mut Changes) {
        changes.note("kind", &self.kind, &after.kind);
        changes.note_words("currency", &self.currency, &after.currency);
        let fields = [
            ("name", &self.name, &after.name),
            ("first_name", &self.first_name, &after.first_name),
            ("last_name", &self.last_name, &after.last_name),
            ("email", &self.email, &after.email),
            ("phone", &self.phone, &after.phone),
            ("line1", &self.line1, &after.line1),
            ("line2", &self.line2, &after.line2),
            ("city", &self.city, &after.city),
            ("region", &self.region, &after.region),
            ("postcode", &self.postcode, &after.postcode),
            ("country", &self.country, &after.country),
            ("tax_id", &self.tax_id, &after.tax_id),
        ];
        for (name, before, after) in fields {
            changes.note_personal(name, before, after);
        }
    }

    /// What a search looks through.
    pub(super) fn search_text(&self) -> String {
        let Self { name, first_name, last_name, email, tax_id, phone, .. } = self;
        invalid::fold(&[name, first_name, last_name, email, tax_id, phone].map(String::as_str).join(" "))
    }
}

/// A name on invoices: one line of 200 characters at most.
fn name(text: &str) -> Result<String, (&'static str, String)> {
    let kept = invalid::line(text, MOST)?;
    if kept.is_empty() { Err(("required", "A name is wanted.".into())) } else { Ok(kept) }
}

/// ISO 3166-1 alpha-2 in its form; which of them exist changes, so any two letters do. Empty: unknown.
fn country(text: &str) -> Result<String, (&'static str, String)> {
    if text.is_empty() || (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err(("malformed", "A country is two letters after ISO 3166-1, like DE.".into()))
    }
}

/// ISO 4217 in its form.
fn currency(text: &str) -> Result<String, (&'static str, String)> {
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err(("malformed", "A currency is three letters after ISO 4217, like EUR.".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_kept_in_one_form_or_named() {
        let mut invalid = Invalid::default();
        let given = ProfileChange {
            name: Some("  Analytical   Engines ".into()),
            country: Some("gb".into()),
            currency: Some("gbp".into()),
            ..ProfileChange::default()
        };
        let profile = given.checked("", &mut invalid).into_profile("Ada", "Lovelace", "ada@example.com");
        assert!(invalid.0.is_empty());
        assert_eq!((profile.name.as_str(), profile.country.as_str()), ("Analytical   Engines", "GB"));
        assert_eq!((profile.currency.as_str(), profile.first_name.as_str()), ("GBP", "Ada"));
        let wrong = ProfileChange {
            name: Some(" ".into()),
            email: Some("nobody".into()),
            country: Some("Germany".into()),
            currency: Some("€".into()),
            line1: Some("a\nb".into()),
            phone: Some("1".repeat(201)),
            ..ProfileChange::default()
        };
        _ = wrong.checked("account.", &mut invalid);
        let fields: Vec<_> = invalid.0.iter().map(|error| error.field.as_str()).collect();
        let expected = [
            "account.phone",
            "account.address.line1",
            "account.name",
            "account.email",
            "account.address.country",
            "account.currency",
        ];
        assert_eq!(fields, expected);
    }
}
