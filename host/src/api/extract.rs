//! What handlers take and give: axum's extractors with our refusals, and answers that keep their schema.
#![expect(clippy::disallowed_types, reason = "the one place that wraps axum's own extractors")]

use aide::{
    OperationInput, OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as ResponseDoc},
    operation::{ParamLocation, add_parameters, parameters_from_schema},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use frontdesk_core::invalid::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{
    page,
    problem::{Code, Problem},
};

/// A JSON body; as an answer, 200 with JSON.
#[derive(Debug)]
pub(super) struct Json<T>(pub T);

/// 201 with JSON.
#[derive(Debug)]
pub(super) struct Created<T>(pub T);

/// 204.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoContent;

/// The parameters in the path, as a struct with named fields.
#[derive(Debug)]
pub(super) struct Path<T>(pub T);

/// The parameters in the query, as a struct with named fields. Lists have [`page::List`].
#[derive(Debug)]
pub(super) struct Query<T>(pub T);

/// The same of two structs: the first takes the parameters that it knows, the second the rest.
#[derive(Debug)]
pub(super) struct Both<T, U>(pub T, pub U);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::with_detail(
                Code::UnsupportedMediaType,
                "Send JSON with the header Content-Type: application/json.",
            ));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Problem::new(Code::TooLarge)
            }
            _ => Problem::with_detail(Code::Malformed, "The body broke off."),
        })?;
        parse(&bytes).map(Self)
    }
}

/// Text that is not JSON is malformed; JSON of another shape is invalid, and the field that is wrong is named.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take an array for an object, its fields in order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Invalid::one("", "malformed", "Expected an object.").into());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // As the core writes it: `networks.1`.
        let path = error.path().to_string().replace('[', ".").replace(']', "");
        let cause = error.into_inner();
        // serde_json calls it a mistake of syntax where a choice is neither text nor an object.
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        match cause.classify() {
            category if category == serde_json::error::Category::Data || is_json() => {
                let (field, code) = (field_of(&path, &cause), code_of(&cause));
                Problem::from(Invalid::one(&field, code, sentence(&cause)))
            }
            _ => Problem::with_detail(Code::Malformed, format!("The body is not JSON: {cause}.")),
        }
    })?;
    json.end().map_err(|_| Problem::with_detail(Code::Malformed, "Something follows the JSON."))?;
    Ok(value)
}

/// Where serde names a field only in its message, it is taken from there.
fn field_of(path: &str, cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let named = ["missing field `", "duplicate field `"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix)?.split('`').next());
    match (path, named) {
        (".", Some(name)) => name.into(),
        (".", None) => String::new(),
        (path, Some(name)) if !path.ends_with(name) => format!("{path}.{name}"),
        (path, _) => path.into(),
    }
}

fn code_of(cause: &serde_json::Error) -> &'static str {
    let text = cause.to_string();
    if text.starts_with("missing field") {
        "required"
    } else if text.starts_with("unknown field") {
        "unknown"
    } else {
        "malformed"
    }
}

/// serde's sentence without the position, and without what was sent: it may be a secret, and may itself look like a part
/// of the sentence.
fn sentence(cause: &serde_json::Error) -> String {
    let text = cause.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    match text.rsplit_once(", expected ") {
        Some((_, expected)) if expected.starts_with("struct ") => "Expected an object.".into(),
        Some((_, expected)) if text.starts_with("invalid ") || text.starts_with("unknown variant ") => {
            format!("Expected {expected}.")
        }
        _ => {
            let mut letters = text.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect::<String>() + ".")
                .unwrap_or_default()
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // An id that is none names nothing.
        let found = axum::extract::Path::from_request_parts(parts, state).await;
        found.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Problem::new(Code::NotFound))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        Ok(Self(page::filter(&pairs)?))
    }
}

impl<T, U, S> FromRequestParts<S> for Both<T, U>
where
    T: DeserializeOwned + JsonSchema + Send,
    U: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let schema = schemars::schema_for!(T);
        let known = schema.get("properties").and_then(|properties| properties.as_object());
        let (first, rest): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(key, _)| known.is_some_and(|known| known.contains_key(key)));
        Ok(Self(page::filter(&first)?, page::filter(&rest)?))
    }
}

/// For `PATCH`: tells a field that is `null` (clear it) from one that is absent (leave it alone).
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, axum::Json(self.0)).into_response()
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::extract::Path::<T>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = ctx.schema.subschema_for::<T>();
        let parameters = parameters_from_schema(ctx, schema, ParamLocation::Query);
        add_parameters(ctx, operation, parameters);
    }
}

impl<T: JsonSchema, U: JsonSchema> OperationInput for Both<T, U> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Query::<T>::operation_input(ctx, operation);
        Query::<U>::operation_input(ctx, operation);
    }
}

impl<T: JsonSchema> OperationOutput for Json<T> {
    type Inner = T;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<ResponseDoc> {
        axum::Json::<T>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        described(Self::operation_response(ctx, operation), 200)
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<ResponseDoc> {
        axum::Json::<T>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        described(Self::operation_response(ctx, operation), 201)
    }
}

impl OperationOutput for NoContent {
    type Inner = ();

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<ResponseDoc> {
        Some(ResponseDoc { description: "Done.".into(), ..ResponseDoc::default() })
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        described(Self::operation_response(ctx, operation), 204)
    }
}

fn described(response: Option<ResponseDoc>, status: u16) -> Vec<(Option<u16>, ResponseDoc)> {
    response.map(|response| (Some(status), response)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its shape matters here")]
        name: String,
        #[serde(default, deserialize_with = "present")]
        text: Option<Option<String>>,
        #[expect(dead_code, reason = "only its shape matters here")]
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
        Two,
    }

    fn refusal(body: &str) -> String {
        let response = parse::<Body>(body.as_bytes()).unwrap_err().write("1");
        let bytes = http_body_util::BodyExt::collect(response.into_body());
        let bytes = futures_util::FutureExt::now_or_never(bytes).unwrap().unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        format!(
            "{} {} {}",
            document["status"], document["errors"][0]["field"], document["errors"][0]["message"]
        )
    }

    #[test]
    fn refusals_name_the_field_and_never_repeat_what_was_sent() {
        assert_eq!(refusal("{}"), r#"422 "name" "Missing field `name`.""#);
        assert_eq!(
            refusal(r#"{"name": "a", "admin": true}"#),
            "422 \"admin\" \"Unknown field `admin`, expected one of `name`, `text`, `kind`.\""
        );
        assert_eq!(refusal(r#"{"name": 12345}"#), r#"422 "name" "Expected a string.""#);
        assert_eq!(refusal(r#"["a"]"#), r#"422 "" "Expected an object.""#);
        assert_eq!(refusal("null"), r#"422 "" "Expected an object.""#);
        assert_eq!(refusal("{"), "400 null null");
        assert_eq!(refusal(r#"{"name": "a"} {}"#), "400 null null");
        // What was sent cannot pass for what was expected, nor for the position.
        for sent in ["x, expected y", "x at line 1", "x"] {
            assert_eq!(
                refusal(&format!(r#"{{"name": "a", "kind": "{sent}"}}"#)),
                r#"422 "kind" "Expected `one` or `two`.""#
            );
        }
    }

    #[test]
    fn null_clears_and_absence_leaves_alone() {
        assert_eq!(parse::<Body>(br#"{"name": "a", "text": null}"#).unwrap().text, Some(None));
        assert_eq!(parse::<Body>(br#"{"name": "a"}"#).unwrap().text, None);
    }
}
