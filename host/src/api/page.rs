//! Lists, as the API speaks of them.

use std::sync::Arc;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::Operation,
    operation::{ParamLocation, add_parameters, parameters_from_schema},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use frontdesk_core::{
    invalid::Invalid,
    page::{self, PageRequest, Total},
    sessions::Authenticated,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::problem::Problem;
use crate::App;

/// What part of which list is wanted: the query's `limit`, `cursor` and `total`, and the list's own filter.
#[derive(Debug)]
pub(super) struct List<F> {
    pub filter: F,
    pub request: PageRequest,
}

/// Of lists that are given whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unfiltered {}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes the parameters that List reads one by one")]
struct PageParameters {
    /// Without it, the caller's own records per page, else the setting's.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Also count them.
    total: Option<bool>,
}

const PAGE_PARAMETERS: [&str; 3] = ["limit", "cursor", "total"];

impl<F: DeserializeOwned> FromRequestParts<App> for List<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let own = parts.extensions.get::<Arc<Authenticated>>().and_then(|session| session.records_per_page);
        let default = own.unwrap_or_else(|| app.settings().records_per_page.into());
        Ok(Self::parse(parts.uri.query().unwrap_or_default(), default)?)
    }
}

impl<F: DeserializeOwned> List<F> {
    /// `default`: records per page unless the query says otherwise.
    fn parse(query: &str, default: i64) -> Result<Self, Invalid> {
        let (mut limit, mut cursor, mut total, mut rest) = (default, None, false, Vec::new());
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        for (index, (key, _)) in pairs.iter().enumerate() {
            // Which of the two counts, nobody could tell.
            if PAGE_PARAMETERS.contains(&key.as_str()) && pairs[..index].iter().any(|(other, _)| other == key)
            {
                return Err(Invalid::one(key, "malformed", "Give it once."));
            }
        }
        for (key, value) in pairs {
            match key.as_str() {
                "limit" => {
                    let number = value.parse().map_err(|_| "A limit is a number from 1 to 200.");
                    limit = number.map_err(|text| Invalid::one("limit", "malformed", text))?;
                }
                "cursor" => cursor = Some(value),
                "total" => {
                    let truth = value.parse().map_err(|_| "Say true or false.");
                    total = truth.map_err(|text| Invalid::one("total", "malformed", text))?;
                }
                _ => rest.push((key, value)),
            }
        }
        let request = PageRequest::new(limit, cursor.as_deref(), total)?;
        Ok(Self { filter: filter(&rest)?, request })
    }
}

/// What a query says, or the parameter that is wrong.
pub(super) fn filter<F: DeserializeOwned>(pairs: &[(String, String)]) -> Result<F, Invalid> {
    let text = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let (path, cause) = (error.path().to_string(), error.inner().to_string());
        let named = |prefix| cause.strip_prefix(prefix).and_then(|rest| rest.split('`').next());
        if let Some(field) = named("unknown field `") {
            return Invalid::one(field, "unknown", "There is no such parameter here.");
        }
        if let Some(field) = named("missing field `") {
            return Invalid::one(field, "required", "This parameter is wanted.");
        }
        if let Some(field) = named("duplicate field `") {
            return Invalid::one(field, "malformed", "Give it once.");
        }
        // Without what was sent: it may be in the wrong place, and may look like a part of the sentence.
        let expected = cause.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected);
        Invalid::one(&path, "malformed", format!("Expected {expected}."))
    })
}

impl<F: JsonSchema> OperationInput for List<F> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        for schema in [ctx.schema.subschema_for::<F>(), ctx.schema.subschema_for::<PageParameters>()] {
            let parameters = parameters_from_schema(ctx, schema, ParamLocation::Query);
            add_parameters(ctx, operation, parameters);
        }
    }
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page; null at the end.
    pub next_cursor: Option<String>,
    /// How many there are, with `total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Where counting stopped, with `total=true`: there are at least so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_at_least: Option<i64>,
}

impl<T> Page<T> {
    pub(super) fn of<U>(page: page::Page<U>, view: impl FnMut(U) -> T) -> Self {
        let (total, total_at_least) = match page.total {
            Some(Total::Exactly(count)) => (Some(count), None),
            Some(Total::AtLeast(count)) => (None, Some(count)),
            None => (None, None),
        };
        Self {
            items: page.items.into_iter().map(view).collect(),
            next_cursor: page.next_cursor,
            total,
            total_at_least,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        colour: Option<Colour>,
    }

    fn refusal(query: &str) -> String {
        let wrong = List::<Filter>::parse(query, 25).unwrap_err().0.remove(0);
        format!("{} {} {}", wrong.field, wrong.code, wrong.message)
    }

    #[test]
    fn a_query_is_read_whole_or_the_parameter_that_is_wrong_is_named() {
        assert_eq!(List::<Filter>::parse("colour=red&limit=5", 25).unwrap().filter.colour, Some(Colour::Red));
        assert!(List::<Filter>::parse("", 25).unwrap().filter.colour.is_none());
        assert_eq!(refusal("colour=sekret"), "colour malformed Expected `red`.");
        assert_eq!(refusal("colour=x,+expected+sekret"), "colour malformed Expected `red`.");
        assert_eq!(refusal("color=red"), "color unknown There is no such parameter here.");
        assert_eq!(refusal("total=yes"), "total malformed Say true or false.");
        assert_eq!(refusal("limit=many"), "limit malformed A limit is a number from 1 to 200.");
        assert_eq!(refusal("limit=0"), "limit malformed A limit is a number from 1 to 200.");
        assert_eq!(refusal("colour=red&colour=red"), "colour malformed Give it once.");
        assert_eq!(refusal("limit=1&total=true&limit=2"), "limit malformed Give it once.");
        assert_eq!(List::<Unfiltered>::parse("x=1", 25).unwrap_err().0[0].field, "x");
    }
}
