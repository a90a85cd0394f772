use super::*;
use crate::plugins::bindings::widget::{Column, Notice, Series};

fn draw(blocks: Vec<Block>) -> Result<Json, String> {
    view_json(&View { summary: None, blocks }, &["snooze".to_owned()]).map_err(|error| error.to_string())
}

fn linked(url: &str) -> Block {
    let link = Some(Link { label: "More".to_owned(), url: url.to_owned() });
    Block::Notice(Notice { tone: Tone::Info, text: "Hello".to_owned(), link })
}

fn cells(rows: Vec<Vec<Value>>) -> Block {
    let column = |label: &str| Column { label: label.to_owned(), align: Align::Start };
    Block::Table(Table { columns: vec![column("Domain"), column("Days")], rows, more: None })
}

#[test]
fn blocks_have_the_form_that_authors_write() {
    let number = Value::Number(Number { value: 3.0, unit: Some("days".to_owned()) });
    let stat = Stat {
        label: "Pending".to_owned(),
        value: Value::Text("3".to_owned()),
        delta: None,
        tone: Tone::Warning,
        trend: vec![1.0, 2.5],
        url: Some("/invitations".to_owned()),
    };
    let view = View {
        summary: Some("3 pending".to_owned()),
        blocks: vec![
            Block::Heading("Invitations".to_owned()),
            Block::Stats(vec![stat]),
            cells(vec![vec![Value::Text("acme.test".to_owned()), number]]),
            Block::Divider,
        ],
    };
    assert_eq!(
        view_json(&view, &[]),
        Ok(json!({
            "summary": "3 pending",
            "blocks": [
                { "type": "heading", "text": "Invitations" },
                { "type": "stats", "items": [{
                    "label": "Pending", "value": "3", "delta": null, "tone": "warning", "trend": [1.0, 2.5], "url": "/invitations",
                }] },
                {
                    "type": "table", "more": null,
                    "columns": [{ "label": "Domain", "align": "start" }, { "label": "Days", "align": "start" }],
                    "rows": [["acme.test", { "value": 3.0, "unit": "days" }]],
                },
                { "type": "divider" },
            ],
        }))
    );
}

#[test]
fn links_run_nothing() {
    for good in
        ["https://a.test/x?y=a:b", "HTTP://a.test", "mailto:jo@a.test", "/staff/1", "staff?a=b:c", "#top"]
    {
        assert!(draw(vec![linked(good)]).is_ok(), "{good}");
    }
    assert_eq!(
        draw(vec![Block::Divider, linked("javascript:alert(1)")]),
        Err("blocks[1].link.url: a link of scheme \"javascript\"; http, https, mailto and relative ones are allowed".to_owned())
    );
    for bad in [
        "JavaScript:alert(1)",
        "data:text/html,x",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "vbscript:x",
        "//evil.test/",
        "/\\evil.test/",
        "\\\\evil.test/",
        "https:\\evil.test",
        "/staff/\u{202e}1",
    ] {
        assert!(draw(vec![linked(bad)]).is_err(), "{bad}");
    }
}

#[test]
fn texts_turn_nothing_and_instants_have_one_form() {
    assert_eq!(
        draw(vec![Block::Text("Jo\u{202e}ann\u{2028}x\n\ty\r\n\u{0}".to_owned())]),
        Ok(
            json!({ "summary": null, "blocks": [{ "type": "text", "text": "Jo\u{fffd}ann\nx\n\ty\n\u{fffd}" }] })
        )
    );
    let timed = |instant: &str| {
        let drawn =
            draw(vec![cells(vec![vec![Value::Time(instant.to_owned()), Value::Text(String::new())]])])?;
        Ok::<_, String>(drawn["blocks"][0]["rows"][0][0]["time"].clone())
    };
    assert_eq!(timed("2026-11-21 23:45:48.1239+01[Europe/Paris]"), Ok(json!("2026-11-21T22:45:48.123Z")));
    assert_eq!(timed("2026-11-21T22:45:48Z"), Ok(json!("2026-11-21T22:45:48.000Z")));
    for bad in ["", "tomorrow", "2026-11-21", "-000007-11-21T22:45:48Z"] {
        let error = timed(bad).expect_err("it is no instant");
        assert!(error.starts_with("blocks[0].rows[0][0]: not an instant"), "{error}");
    }
}

#[test]
fn buttons_and_forms_ask_for_what_the_manifest_lists() {
    let button = |action: &str| Button {
        label: "Go".to_owned(),
        action: action.to_owned(),
        data: "{}".to_owned(),
        tone: Tone::Neutral,
        confirm: None,
    };
    let form = |action: &str| {
        let (action, data, submit) = (action.to_owned(), "{}".to_owned(), "Save".to_owned());
        Block::Form(Form { action, data, inputs: Vec::new(), submit })
    };
    assert!(draw(vec![Block::Buttons(vec![button("snooze")]), form("snooze")]).is_ok());
    assert_eq!(
        draw(vec![Block::Buttons(vec![button("snooze"), button("delete")])]),
        Err("blocks[0].items[1].action: \"delete\" is not listed under actions in plugin.toml".to_owned())
    );
    assert_eq!(
        draw(vec![form("Snooze")]),
        Err("blocks[0].action: \"Snooze\" is not listed under actions in plugin.toml".to_owned())
    );
}

#[test]
fn another_block_is_its_text_and_no_known_block() {
    let other = |data: Json| draw(vec![Block::Other(data.to_string())]);
    assert_eq!(
        other(json!({ "type": "map", "text": "Here\u{0}", "url": "javascript:alert(1)" })),
        Ok(json!({ "summary": null, "blocks": [{ "type": "map", "text": "Here\u{fffd}" }] }))
    );
    assert_eq!(
        other(
            json!({ "type": "notice", "text": "x", "link": { "label": "x", "url": "javascript:alert(1)" } })
        ),
        Err("blocks[0].type: notice is a block of this version; answer it as such instead of as \"other\""
            .to_owned())
    );
    for name in BLOCK_TYPES {
        assert!(other(json!({ "type": name, "text": "" })).is_err(), "{name}");
    }
    for bad in ["", "Notice", " notice", &"x".repeat(41)] {
        assert!(other(json!({ "type": bad, "text": "" })).is_err(), "{bad}");
    }
    let long = "x".repeat(MAX_TEXT_CHARS + 1);
    let error = other(json!({ "type": "map", "text": long }));
    assert_eq!(error, Err("blocks[0].text: longer than 2000 characters".to_owned()));
}

#[test]
fn every_bound_names_its_place() {
    let long = "ü".repeat(MAX_TEXT_CHARS + 1);
    assert_eq!(draw(vec![Block::Text(long)]), Err("blocks[0]: longer than 2000 characters".to_owned()));
    assert!(draw(vec![Block::Text("ü".repeat(MAX_TEXT_CHARS))]).is_ok());
    assert_eq!(draw(vec![Block::Divider; 101]), Err("blocks: 101 blocks; 100 are allowed".to_owned()));
    let row = vec![Value::Text(String::new()), Value::Text(String::new())];
    assert_eq!(
        draw(vec![cells(vec![row.clone(); 201])]),
        Err("blocks[0].rows: 201 entries; 200 are allowed".to_owned())
    );
    assert_eq!(
        draw(vec![cells(vec![row, vec![Value::Text(String::new())]])]),
        Err("blocks[0].rows[1]: 1 values for 2 columns".to_owned())
    );
    let meter = |value| Meter { label: "Disk".to_owned(), value, max: 1.0, unit: None, tone: Tone::Neutral };
    assert_eq!(
        draw(vec![Block::Meters(vec![meter(0.5), meter(f64::NAN)])]),
        Err("blocks[0].items[1].value: not a finite number".to_owned())
    );
    let series = Series { name: "a".to_owned(), values: vec![None; 501], tone: None };
    let chart =
        Chart { title: None, kind: ChartKind::Line, labels: Vec::new(), series: vec![series], unit: None };
    assert_eq!(
        draw(vec![Block::Chart(chart)]),
        Err("blocks[0].series[0].values: 501 entries; 500 are allowed".to_owned())
    );
    assert_eq!(
        draw(vec![Block::Other("{\"type\":\"map\"}".to_owned())]),
        Err("blocks[0]: a block of a later version has \"type\" and \"text\"".to_owned())
    );
    let texts = vec![Block::Code("x".repeat(MAX_TEXT_CHARS)); 100];
    assert!(draw(texts).is_ok());
    let rows = vec![vec![Value::Text("x".repeat(1_000)), Value::Text("x".repeat(1_000))]; 200];
    assert_eq!(draw(vec![cells(rows)]), Err("view: larger than 256 KiB".to_owned()));
}
