//! `/v1/admin/reports`: what happened in a period, counted, for whoever's role opens it.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as ResponseDoc},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use frontdesk_core::{
    reports::{self, About, Column, Period},
    roles::Report,
    time::Timestamp,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeSeq as _};
use serde_json::Value;

use super::{
    download::{CsvLines, Download, Format},
    extract::{Json, Path, Query},
    guard::By,
    problem::{Code, Problem},
    routes::{Op, Routes},
};
use crate::App;

const TAG: &str = "Reports";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(
            "/v1/admin/reports",
            Op::staff("listReports", TAG, "List the reports that your role opens", None).also_for_programs(),
            list,
        )
        .get(
            "/v1/admin/reports/{slug}",
            Op::staff("getReport", TAG, "A report over a period, as JSON or CSV", None)
                .also_for_programs()
                .problems(&[Code::ReportNotAllowed]),
            get,
        )
}

/// A report that the caller may open.
#[derive(Debug, Serialize, JsonSchema)]
struct ReportView {
    slug: Report,
    title: &'static str,
    description: &'static str,
    columns: &'static [Column],
}

impl From<About> for ReportView {
    fn from(about: About) -> Self {
        let About { report, title, description, columns } = about;
        Self { slug: report, title, description, columns }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Reports {
    items: Vec<ReportView>,
}

async fn list(by: By) -> Json<Reports> {
    let open = by.authority.rights().permissions.reports().filter_map(reports::about);
    Json(Reports { items: open.map(Into::into).collect() })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ReportPath {
    /// As `GET /v1/admin/reports` lists it.
    slug: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    #[default]
    Json,
    /// RFC 4180, with a header line, in UTF-8.
    Csv,
}

/// A period of 366 days at the most.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// An instant (RFC 3339), or a date, which begins at midnight in UTC. Without it, thirty days before the end.
    from: Option<String>,
    /// An instant, which is not in it, or a date, which is, whole. Without it, now.
    to: Option<String>,
    #[serde(default)]
    format: Wanted,
}

/// A report over a period.
#[derive(Debug, Serialize, JsonSchema)]
struct Made {
    slug: Report,
    title: &'static str,
    from: Timestamp,
    /// Not in it.
    to: Timestamp,
    columns: &'static [Column],
    rows: Rows,
}

/// Rows, each as an object with the columns for names.
#[derive(Debug)]
struct Rows {
    columns: &'static [Column],
    rows: Vec<Vec<Value>>,
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            list.serialize_element(&Row(self.columns, row))?;
        }
        list.end()
    }
}

struct Row<'r>(&'static [Column], &'r [Value]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|column| column.name).zip(self.1))
    }
}

impl JsonSchema for Rows {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rows".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "array",
            "items": { "type": "object", "additionalProperties": { "type": ["string", "number", "null"] } },
        })
    }
}

/// What was asked for, in the format that was asked for.
#[derive(Debug)]
enum Answer {
    Json(Json<Made>),
    File(Download),
}

async fn get(
    State(app): State<App>,
    by: By,
    Path(ReportPath { slug }): Path<ReportPath>,
    Query(Asked { from, to, format }): Query<Asked>,
) -> Result<Answer, Problem> {
    let about = Report::parse(&slug).and_then(reports::about);
    let about = about.ok_or_else(|| {
        Problem::with_detail(Code::NotFound, "GET /v1/admin/reports lists the reports that you may open.")
    })?;
    let report = about.report;
    let open: Vec<_> = by.authority.rights().permissions.reports().collect();
    if !open.contains(&report) {
        return Err(not_allowed(report, &open));
    }
    let period = Period::parse(from.as_deref(), to.as_deref(), app.now())?;
    let turn = app.reports().acquire().await;
    let mut view = app.read().await?;
    let rows = reports::run(&mut view, report, period).await?;
    drop((view, turn));
    Ok(match format {
        Wanted::Json => Answer::Json(Json(Made {
            slug: report,
            title: about.title,
            from: period.from(),
            to: period.to(),
            columns: about.columns,
            rows: Rows { columns: about.columns, rows },
        })),
        Wanted::Csv => {
            Answer::File(Download { format: Format::Csv, name: slug, body: csv(about.columns, rows).into() })
        }
    })
}

/// How many reports are made at once. They may read much, and others want to read as well.
pub(crate) const AT_ONCE: usize = 2;

fn not_allowed(report: Report, open: &[Report]) -> Problem {
    let open: Vec<_> = open.iter().map(|report| report.as_str()).collect();
    let has = if open.is_empty() { "opens none".into() } else { format!("opens {}", open.join(", ")) };
    let detail = format!(
        "Your role does not open the report {report}; it {has}. Ask an administrator for one that does."
    );
    Problem::with_detail(Code::ReportNotAllowed, detail)
}

/// A line with the columns' names, then one for each row. What is null is empty.
fn csv(columns: &[Column], rows: Vec<Vec<Value>>) -> Vec<u8> {
    let mut lines = CsvLines::default();
    lines.push(columns.iter().map(|column| column.name.into()));
    for row in rows {
        lines.push(row.into_iter().map(|value| match value {
            Value::Null => "".into(),
            Value::String(text) => text.into(),
            value => value.to_string().into(),
        }));
    }
    lines.into_bytes()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Json(made) => made.into_response(),
            Self::File(file) => file.into_response(),
        }
    }
}

impl OperationOutput for Answer {
    type Inner = Made;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<ResponseDoc> {
        let mut response = Json::<Made>::operation_response(ctx, operation)?;
        let file = Download::operation_response(ctx, operation)?;
        let csv = file.content.into_iter().filter(|(media, _)| media.starts_with("text/csv"));
        response.content.extend(csv);
        Some(response)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, ResponseDoc)> {
        Self::operation_response(ctx, operation).map(|response| (Some(200), response)).into_iter().collect()
    }
}
