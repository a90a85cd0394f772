//! Answers that are files: CSV and JSON lines.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{MediaType, Operation, Response as ResponseDoc},
};
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// RFC 4180, with a header line, in UTF-8.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/x-ndjson",
        }
    }
}

/// A file, whole or as it comes.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) format: Format,
    /// Without its ending: letters, digits and hyphens.
    pub(super) name: String,
    pub(super) body: Body,
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let file = format!("attachment; filename=\"{}.{}\"", self.name, self.format.name());
        let mut response = self.body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        if let Ok(value) = HeaderValue::from_str(&file) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        response
    }
}

impl OperationOutput for Download {
    type Inner = ();

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<ResponseDoc> {
        let media = |format: Format| (format.content_type().to_owned(), MediaType::default());
        Some(ResponseDoc {
            description: "The file.".into(),
            content: [media(Format::Csv), media(Format::Jsonl)].into_iter().collect(),
            ..ResponseDoc::default()
        })
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        Self::operation_response(ctx, operation).map(|response| (Some(200), response)).into_iter().collect()
    }
}

/// Lines of CSV. What a spreadsheet would take for a formula is made text by a quote before it (OWASP, CSV Injection).
#[derive(Debug, Default)]
pub(crate) struct CsvLines(Vec<u8>);

impl CsvLines {
    pub(crate) fn push<'c>(&mut self, cells: impl IntoIterator<Item = std::borrow::Cow<'c, str>>) {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut self.0);
        let harmless = cells.into_iter().map(|cell| match cell.chars().next() {
            Some('=' | '+' | '-' | '@' | '\t' | '\r') if !is_number(&cell) => format!("'{cell}").into(),
            _ => cell,
        });
        // Into memory, which takes everything.
        _ = writer.write_record(harmless.map(|cell| cell.into_owned()));
        _ = writer.flush();
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

fn is_number(cell: &str) -> bool {
    cell.strip_prefix('-')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_numbers_stay_numbers() {
        let mut lines = CsvLines::default();
        lines.push(["=1+1", "+4", "-5", "-5a", "@x", "a,b", "say \"x\""].map(Into::into));
        let text = String::from_utf8(lines.into_bytes()).unwrap();
        assert_eq!(text, "'=1+1,'+4,-5,'-5a,'@x,\"a,b\",\"say \"\"x\"\"\"\r\n");
    }
}
