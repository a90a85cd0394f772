use serde_json::json;

use super::*;
use crate::{Link, Timestamp, Tone};

#[test]
fn a_view_is_made_of_one_block_or_many() {
    let one: View = notice("Nobody is online").into();
    assert_eq!(one.blocks, [Block::Notice(notice("Nobody is online"))]);
    assert_eq!(one.summary, None);

    let many = View::from([heading("Queue"), divider()]).summary("empty");
    assert_eq!(many.blocks, [Block::Heading("Queue".to_owned()), Block::Divider]);
    assert_eq!(many.summary.as_deref(), Some("empty"));

    let collected: View = ["a", "b"].into_iter().map(text).collect();
    assert_eq!(collected.blocks.len(), 2);
}

#[test]
fn values_keep_their_kind() {
    let time = Timestamp::from_millis(0);
    let values: [Value; 7] = [
        "text".into(),
        3.into(),
        7usize.into(),
        number(1.5).unit("EUR").into(),
        time.into(),
        badge("late", Tone::Danger).into(),
        Link::new("more", "/staff").into(),
    ];
    assert_eq!(values[0], Value::Text("text".to_owned()));
    assert_eq!(values[1], Value::Number(Number { value: 3.0, unit: None }));
    assert_eq!(values[2], Value::Number(Number { value: 7.0, unit: None }));
    assert_eq!(values[3], Value::Number(Number { value: 1.5, unit: Some("EUR".to_owned()) }));
    assert_eq!(values[4], Value::Time("1970-01-01T00:00:00.000Z".to_owned()));
    assert_eq!(values[5], Value::Badge(Badge { label: "late".to_owned(), tone: Tone::Danger }));
    assert!(matches!(&values[6], Value::Link(link) if link.url == "/staff"));
}

#[test]
fn a_table_takes_rows_of_mixed_values() {
    let table = table([column("Domain"), column("Days").end()])
        .row([Value::from("example.com"), 12.into()])
        .row([Value::from("example.org"), 30.into()])
        .more(Link::new("all", "/domains"));
    assert_eq!(table.columns[1].align, Align::End);
    assert_eq!(table.rows.len(), 2);
    assert_eq!(super::table(["Domain"]).columns, [column("Domain")]);
}

#[test]
fn a_chart_has_gaps() {
    let chart =
        chart(ChartKind::Line, ["Mon", "Tue"]).series("sent", [Some(1.0), None]).series("all", [2.0, 3.0]);
    assert_eq!(chart.series[0].values, [Some(1.0), None]);
    assert_eq!(chart.series[1].values, [Some(2.0), Some(3.0)]);
}

#[test]
fn an_actions_data_is_json() {
    let snooze = button("Tomorrow", "snooze").data(json!({ "days": 1 }));
    assert_eq!(snooze.data, r#"{"days":1}"#);
    assert_eq!(button("Now", "run").data, "{}");

    let form = form("add", "Add").input(input("title", "Title").required()).data(json!({ "list": 7 }));
    assert!(form.inputs[0].required);
    assert_eq!(form.data, r#"{"list":7}"#);
    assert_eq!(input("size", "Size").choices(["S", "M"]).kind, InputKind::Select);
}
