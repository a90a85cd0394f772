use frontdesk_plugin_sdk::{
    Failure, Problem,
    serde_json::{Value, json},
    testing::{self, Host, Request},
    view::{Block, View, notice, people, person},
};

use crate::StaffOnline;

const PATH: &str = "/v1/admin/staff/online?limit=50";

fn render(answer: Value) -> Result<View, Failure> {
    let host = Host::new().answer(PATH, answer);
    let view = testing::render::<StaffOnline>(Request::new("staff-online"));
    assert_eq!(host.requested(), [PATH]);
    assert_eq!(host.logs(), []);
    view
}

#[test]
fn shows_who_is_here_and_since_when() {
    let view = render(json!({
        "items": [
            {
                "id": "0198c1a0-0000-7000-8000-000000000001",
                "username": "grace",
                "first_name": "Grace",
                "last_name": "Hopper",
                "avatar_url": "https://avatars.example/grace",
                "last_seen_at": "2026-11-21T14:20:00.000Z",
                "since": "2026-11-21T14:05:30.000Z",
                "address": "203.0.113.7",
                "later_field": { "anything": true }
            },
            {
                "id": "0198c1a0-0000-7000-8000-000000000002",
                "username": "ada",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "avatar_url": null,
                "last_seen_at": "2026-11-21T14:19:00.000Z",
                "since": "2026-11-21T09:00:00.000Z"
            }
        ],
        "next_cursor": null
    }))
    .unwrap();

    assert_eq!(view.summary.as_deref(), Some("2 online"));
    assert_eq!(
        view.blocks,
        [people([
            person("Grace Hopper")
                .avatar("https://avatars.example/grace")
                .detail("since 14:05 UTC, 203.0.113.7"),
            person("Ada Lovelace").detail("since 09:00 UTC"),
        ])]
    );
}

#[test]
fn says_that_nobody_is_here() {
    let view = render(json!({ "items": [], "next_cursor": null })).unwrap();
    assert_eq!(view.summary.as_deref(), Some("nobody online"));
    assert_eq!(view.blocks, [Block::Notice(notice("Nobody of the staff is online"))]);
}

#[test]
fn falls_back_to_the_username_and_does_without_details() {
    let view = render(json!({
        "items": [{ "username": "root" }, { "username": "ops", "first_name": "Ops", "address": "2001:db8::1" }],
        "next_cursor": "abc"
    }))
    .unwrap();
    assert_eq!(view.summary.as_deref(), Some("2+ online"));
    assert_eq!(view.blocks, [people([person("root"), person("Ops").detail("2001:db8::1")])]);
}

#[test]
fn an_answer_of_another_shape_is_a_failure_that_names_the_path() {
    let failure = render(json!({ "staff": [] })).unwrap_err();
    assert_eq!(failure.kind, Problem::Rejected);
    assert!(failure.message.contains(PATH), "{}", failure.message);
}

#[test]
fn the_services_refusal_is_handed_on() {
    let refusal = Failure::rejected("permission_required: staff.view");
    let _host = Host::new().refuse(PATH, refusal.clone());
    assert_eq!(testing::render::<StaffOnline>(Request::new("staff-online")), Err(refusal));
}
