//! An account's profile, as requests give it and answers show it.

use frontdesk_core::accounts::{Kind, Profile, ProfileChange};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is given of a profile; what is left out stays as it is, or unknown.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileFields {
    pub kind: Option<Kind>,
    /// The company's or the person's, as invoices show it.
    pub name: Option<String>,
    /// Who to speak to.
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub address: Option<AddressFields>,
    pub tax_id: Option<String>,
    /// ISO 4217: `EUR`.
    pub currency: Option<String>,
    #[serde(default)]
    pub custom_fields: CustomValues,
}

impl ProfileFields {
    /// The custom fields, which have rules of their own, and the rest.
    pub(super) fn parts(mut self) -> (ProfileChange, Map<String, Value>) {
        let CustomValues(fields) = std::mem::take(&mut self.custom_fields);
        (self.into(), fields)
    }
}

/// What is given of a postal address.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressFields {
    line1: Option<String>,
    line2: Option<String>,
    city: Option<String>,
    /// State, county or province.
    region: Option<String>,
    postcode: Option<String>,
    /// ISO 3166-1 alpha-2: `DE`.
    country: Option<String>,
}

impl From<ProfileFields> for ProfileChange {
    fn from(fields: ProfileFields) -> Self {
        let address = fields.address.unwrap_or_default();
        Self {
            kind: fields.kind,
            name: fields.name,
            first_name: fields.first_name,
            last_name: fields.last_name,
            email: fields.email,
            phone: fields.phone,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postcode: address.postcode,
            country: address.country,
            tax_id: fields.tax_id,
            currency: fields.currency,
        }
    }
}

/// What an account has in its custom fields, by slug. Given: null empties a field, what is left out stays.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct CustomValues(pub Map<String, Value>);

impl JsonSchema for CustomValues {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CustomValues".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "What an account has in its custom fields, by slug. Given: null empties a field, what is left out stays.",
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        })
    }
}

/// What is known of an account; empty is unknown.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProfileView {
    kind: Kind,
    name: String,
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
    address: AddressView,
    tax_id: String,
    currency: String,
}

/// A postal address; empty is unknown.
#[derive(Debug, Serialize, JsonSchema)]
struct AddressView {
    line1: String,
    line2: String,
    city: String,
    region: String,
    postcode: String,
    country: String,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            kind: profile.kind,
            name: profile.name,
            first_name: profile.first_name,
            last_name: profile.last_name,
            email: profile.email,
            phone: profile.phone,
            address: AddressView {
                line1: profile.line1,
                line2: profile.line2,
                city: profile.city,
                region: profile.region,
                postcode: profile.postcode,
                country: profile.country,
            },
            tax_id: profile.tax_id,
            currency: profile.currency,
        }
    }
}
