//! Every sentence that an author hears is compared, since the sentence is the feature.

use super::*;
use serde_json::json;

const HEAD: &str = "id = \"demo\"\nname = \"Demo\"\nversion = \"1.0.0\"\n[notifier]\n";

/// The one mistake of a manifest that begins with [`HEAD`], whose next line is 5.
fn mistake(rest: &str) -> String {
    let errors = Manifest::parse(&format!("{HEAD}{rest}")).expect_err("there is a mistake").0;
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors[0].to_string()
}

fn parse(rest: &str) -> Manifest {
    Manifest::parse(&format!("{HEAD}{rest}")).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_samples_parse() {
    let samples = [
        include_str!("samples/balance.toml"),
        include_str!("samples/discord.toml"),
        include_str!("samples/hipchat.toml"),
        include_str!("samples/mailgun.toml"),
        include_str!("samples/slack.toml"),
        include_str!("samples/telegram.toml"),
        include_str!("samples/webhook.toml"),
    ];
    for sample in samples {
        let manifest = Manifest::parse(sample).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(manifest.http.len(), 1, "{}", manifest.id);
    }
}

#[test]
fn slack_is_read_whole() {
    let manifest = Manifest::parse(include_str!("samples/slack.toml")).expect("it parses");
    assert_eq!(
        serde_json::to_value(&manifest).expect("it serialises"),
        json!({
            "id": "slack", "name": "Slack", "version": "1.0.0", "api": "0.1", "icon": "icon.png",
            "notifier": { "email": false, "target": "channel", "per_target": { "count": 1, "seconds": 1 } },
            "widgets": [],
            "settings": [{
                "key": "bot_token", "type": "secret", "label": "Bot token", "required": true,
                "help": "Slack app > OAuth & Permissions; begins with xoxb-", "default": null, "placeholder": null,
                "pattern": null, "pattern_hint": null, "max": null, "starts_with": ["xoxb-"], "generate": null,
                "overlap_h": null,
            }],
            "rule_settings": [{
                "key": "channel", "type": "dynamic", "label": "Channel", "required": true, "help": null,
                "default": null, "placeholder": null, "depends_on": [], "multiple": false,
            }],
            "http": [{
                "url": "https://slack.com/api/", "methods": ["GET", "POST"], "reason": "list channels and post messages",
                "credential": { "headers": { "authorization": "Bearer {bot_token}" } },
            }],
            "permissions": [],
            "limits": { "cpu_ms": 500, "wall_ms": 15_000, "memory_mb": 64 },
        })
    );
}

#[test]
fn the_widget_of_balance_is_shared() {
    let manifest = Manifest::parse(include_str!("samples/balance.toml")).expect("it parses");
    let widget = manifest.widget("registrar-balance").expect("it is there");
    assert_eq!((widget.cache, widget.cache_s, widget.weight), (Cache::Shared, 300, 150));
    assert_eq!(widget.permission.as_deref(), Some("registrar.balance"));
    assert_eq!(manifest.settings[1].default, Some(json!(50)));
    assert_eq!(manifest.permissions[0].group, "Dashboard");
}

#[test]
fn the_shortest_manifest_has_eight_lines() {
    let text = "id = \"tiny\"\nname = \"Tiny\"\nversion = \"0.1.0\"\n\n[[widget]]\nid = \"tiny\"\ntitle = \"Tiny\"\n";
    let manifest = Manifest::parse(text).expect("it parses");
    assert_eq!((manifest.api.as_str(), manifest.limits), (API_TRACK, Limits::default()));
}

#[test]
fn a_type_of_another_system_is_named_as_here() {
    let setting = |kind: &str| format!("[[setting]]\nkey = \"a\"\nlabel = \"A\"\ntype = \"{kind}\"\n");
    assert_eq!(
        mistake(&setting("yesno")),
        "plugin.toml:8: type \"yesno\" is called \"bool\" here (password is secret, dropdown and radio are select)"
    );
    assert_eq!(
        mistake(&setting("password")),
        "plugin.toml:8: type \"password\" is called \"secret\" here (yesno is bool, dropdown and radio are select)"
    );
    assert_eq!(
        mistake(&setting("dropdown")),
        "plugin.toml:8: type \"dropdown\" is called \"select\" here (yesno is bool, password is secret)"
    );
    assert_eq!(
        mistake(&setting("radio")),
        "plugin.toml:8: type \"radio\" is called \"select\" here (yesno is bool, password is secret)"
    );
    assert_eq!(mistake(&setting("boolean")), "plugin.toml:8: type \"boolean\" is called \"bool\" here");
    assert_eq!(mistake(&setting("tezt")), "plugin.toml:8: unknown type \"tezt\"; did you mean \"text\"?");
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    let setting = |line: &str| format!("[[setting]]\nkey = \"a\"\nlabel = \"A\"\ntype = \"text\"\n{line}\n");
    assert_eq!(
        mistake(&setting("FriendlyName = \"Channel\"")),
        "plugin.toml:9: unknown key FriendlyName; did you mean label?"
    );
    assert_eq!(
        mistake(&setting("Description = \"x\"")),
        "plugin.toml:9: unknown key Description; did you mean help?"
    );
    assert_eq!(
        mistake(&setting("requierd = true")),
        "plugin.toml:9: unknown key requierd; did you mean required?"
    );
    assert_eq!(
        mistake("[limits]\ntimeout = 5\n"),
        "plugin.toml:6: unknown key timeout; did you mean wall_ms?"
    );
    assert_eq!(
        mistake("PerTarget = \"1/s\"\n"),
        "plugin.toml:5: unknown key PerTarget; did you mean per_target?"
    );
    assert_eq!(
        mistake("colour = 1\n"),
        "plugin.toml:5: unknown key colour; [notifier] knows addresses, target, per_target"
    );
    assert_eq!(
        mistake("[[settings]]\nkey = \"a\"\n"),
        "plugin.toml:5: unknown key settings; did you mean setting?"
    );
}

#[test]
fn an_address_is_checked() {
    let http = |url: &str, more: &str| {
        format!("[[http]]\nurl = \"{url}\"\nmethods = [\"GET\"]\nreason = \"to ask\"\n{more}")
    };
    assert_eq!(
        mistake(&http("https://slack.com/api", "")),
        "plugin.toml:6: https://slack.com/api has no \"/\" at its end and would also allow https://slack.com/apidocs; write https://slack.com/api/"
    );
    assert_eq!(
        mistake(&http("https://slack.com", "")),
        "plugin.toml:6: https://slack.com has no \"/\" at its end; write https://slack.com/"
    );
    assert_eq!(
        mistake("[[http]]\nurl = \"https://a.test/\"\nmethods = [\"GET\"]\n"),
        "plugin.toml:5: [[http]] https://a.test/ has no reason; the admin reads it before approving"
    );
    assert_eq!(
        mistake(&http("https://a.test/", "basic = \"a:b\"\nquery = { a = \"b\" }\n")),
        "plugin.toml:10: an address carries one credential, this one has basic and query; keep one"
    );
    assert_eq!(
        mistake(&http(
            "https://a.test/{tokn}/",
            "[[setting]]\nkey = \"token\"\ntype = \"secret\"\nlabel = \"T\"\n"
        )),
        "plugin.toml:6: url names tokn, which is no setting; did you mean token?"
    );
    assert_eq!(
        mistake(&http("https://a.test/", "headers = { Authorization = \"x\" }\n")),
        "plugin.toml:9: header \"Authorization\" must be in lower case: \"authorization\""
    );
    assert_eq!(
        mistake(&http("https://user@a.test/", "")),
        "plugin.toml:6: https://user@a.test/ holds \"@\"; an address is scheme, host and path"
    );
    let host = "[[setting]]\nkey = \"host\"\ntype = \"text\"\nlabel = \"Host\"\n";
    assert_eq!(
        mistake(&http("https://{host}/", host)),
        "plugin.toml:6: https://{host}/ leaves the host open; use a setting of type \"url\" for all of it"
    );
    assert_eq!(
        mistake(&http("{host}/v1/", host)),
        "plugin.toml:6: {host}/v1/ begins with host, which must be of type \"url\""
    );
    parse(&http("https://{host}.example.com/v1/", host));
}

#[test]
fn a_dynamic_field_belongs_to_the_rule() {
    assert_eq!(
        mistake("[[setting]]\nkey = \"channel\"\ntype = \"dynamic\"\nlabel = \"Channel\"\n"),
        "plugin.toml:7: dynamic fields need saved settings to ask with; move channel to [[rule_setting]]"
    );
}

#[test]
fn another_track_is_told_before_anything_else() {
    let errors =
        Manifest::parse("id = \"demo\"\napi = \"0.2\"\nnew_key = 1\n").expect_err("it is of another track");
    assert_eq!(
        errors.to_string(),
        "plugin.toml:2: built for 0.2, this Frontdesk speaks 0.1; rebuild or upgrade"
    );
}

#[test]
fn every_mistake_is_told_in_the_order_of_lines() {
    let errors = Manifest::parse(
        "id = \"D\"\nversion = \"1\"\n[[setting]]\nkey = \"Key\"\ntype = \"bool\"\nmin = 3\n",
    )
    .expect_err("it is wrong")
    .to_string();
    assert_eq!(
        errors.lines().collect::<Vec<_>>(),
        [
            "plugin.toml:1: id \"D\" must be 2 to 41 of a-z, 0-9 and \"-\", beginning with a letter",
            "plugin.toml:1: plugin.toml has no name",
            "plugin.toml:1: declares neither [notifier] nor [[widget]]; say which of them it provides",
            "plugin.toml:2: version \"1\" must have three numbers, such as \"1.0.0\"",
            "plugin.toml:3: [[setting]] has no label",
            "plugin.toml:4: key \"Key\" must be up to 40 of a-z, 0-9 and \"_\", beginning with a letter",
            "plugin.toml:6: min belongs to number; Key is bool",
        ]
    );
}

#[test]
fn what_turns_the_reader_round_is_refused() {
    for name in ["Zoë\\u202E", "a\\u2028b", "a\\u0007b", "\\u2066x"] {
        let errors =
            Manifest::parse(&HEAD.replace("\"Demo\"", &format!("\"{name}\""))).expect_err("it is refused");
        assert_eq!(
            errors.to_string(),
            "plugin.toml:2: name holds a control character, or one that turns the direction of writing",
            "{name}"
        );
    }
    assert_eq!(
        Manifest::parse(&HEAD.replace("Demo", "De\\nmo")).expect_err("it is refused").to_string(),
        "plugin.toml:2: name must be one line"
    );
    assert_eq!(
        mistake("\"a\\u202Eb\" = 1\n"),
        "plugin.toml:5: unknown key a\u{fffd}b; [notifier] knows addresses, target, per_target"
    );
}

#[test]
fn a_widget_does_not_draw_itself_and_permissions_of_frontdesk_stay_its_own() {
    assert_eq!(
        mistake("[[widget]]\nid = \"ww\"\ntitle = \"W\"\nreads = [\"/v1/admin/dashboard\"]\n"),
        "plugin.toml:8: reads \"/v1/admin/dashboard\" draws this very widget, without end; read what the widget shows"
    );
    assert_eq!(
        mistake("[[permission]]\nslug = \"staff.invite\"\nlabel = \"L\"\ngroup = \"G\"\nsentence = \"S.\"\n"),
        "plugin.toml:6: permission staff.invite is Frontdesk's own; name it in a [[widget]], or declare one under a word of your own"
    );
}

#[test]
fn mistakes_are_few_and_short() {
    let keys: String = (0..5_000).map(|n| format!("x{n} = 1\n")).collect();
    let errors = Manifest::parse(&format!("{HEAD}{keys}")).expect_err("there are mistakes").0;
    assert_eq!(errors.len(), 20);
    assert_eq!(errors[0].line, 5);
    assert_eq!(
        errors[19].to_string(),
        "plugin.toml:24: unknown key x19; [notifier] knows addresses, target, per_target (and 4980 more mistakes)"
    );
    assert_eq!(
        mistake(&format!("{} = 1\n", "k".repeat(60_000))),
        format!(
            "plugin.toml:5: unknown key {}…; [notifier] knows addresses, target, per_target",
            "k".repeat(40)
        )
    );
    let long =
        format!("[[http]]\nurl = \"ftp://{}\"\nmethods = [\"GET\"]\nreason = \"x\"\n", "a".repeat(1_900));
    assert!(mistake(&long).len() < 600);
}

#[test]
fn a_syntax_error_has_its_line() {
    let error = Manifest::parse("id = \"demo\"\nname = \n").expect_err("it is no TOML").to_string();
    assert!(error.starts_with("plugin.toml:2: "), "{error}");
}

#[test]
fn values_keep_their_types_and_bounds() {
    assert_eq!(mistake("target = 3\n"), "plugin.toml:5: target must be a string, not a whole number");
    assert_eq!(
        mistake("[limits]\nmemory_mb = 9000\n"),
        "plugin.toml:6: memory_mb must lie between 1 and 512"
    );
    assert_eq!(
        mistake("[[setting]]\nkey = \"a\"\ntype = \"secret\"\nlabel = \"A\"\ndefault = \"x\"\n"),
        "plugin.toml:9: a secret has no default: everybody who has the component could read it"
    );
    assert_eq!(
        mistake(
            "[[rule_setting]]\nkey = \"a\"\ntype = \"select\"\nlabel = \"A\"\noptions = [\"x\"]\ndefault = \"y\"\n"
        ),
        "plugin.toml:10: default \"y\" is not among the options"
    );
    assert_eq!(
        mistake("[[widget]]\nid = \"ww\"\ntitle = \"W\"\nreads = [\"/v1/admin/staff?x=1\"]\n"),
        "plugin.toml:8: reads \"/v1/admin/staff?x=1\" must be the path alone; the query is free"
    );
}

#[test]
fn the_section_is_embedded_replaced_and_read() {
    let empty = wat::parse_str("(component)").expect("it is a component");
    assert_eq!(read_section(&empty), Err(SectionError::Missing));
    let first = embed(&empty, "id = \"first\"").expect("it embeds");
    let second = embed(&first, &"x".repeat(300)).expect("it replaces");
    assert_eq!(read_section(&second).as_deref(), Ok("x".repeat(300).as_str()));

    let twice = [first.as_slice(), &embed(&empty, "id = \"two\"").expect("it embeds")[8..]].concat();
    assert_eq!(read_section(&twice), Err(SectionError::Several(2)));
    assert_eq!(read_section(&first[..first.len() - 1]), Err(SectionError::Malformed(8)));
    assert_eq!(read_section(b"\0asm\x01\0\0\0"), Err(SectionError::Module));
    assert_eq!(read_section(b"plain text"), Err(SectionError::NotAComponent));
    let many = [&empty[..8], &[0, 1, 0].repeat(10_001)].concat();
    assert_eq!(read_section(&many), Err(SectionError::TooMany));
    assert_eq!(
        embed(&empty, &"x".repeat(MAX_MANIFEST_BYTES + 1)),
        Err(SectionError::TooLarge(MAX_MANIFEST_BYTES + 1))
    );
}

#[test]
fn a_manifest_of_something_nested_is_not_the_plugins() {
    let inner = embed(&wat::parse_str("(component)").expect("it is a component"), "id").expect("it embeds");
    let mut outer = wat::parse_str("(component)").expect("it is a component");
    // Section 4 of a component is a component.
    outer.push(4);
    outer.push(u8::try_from(inner.len()).expect("it is short"));
    outer.extend_from_slice(&inner);
    assert_eq!(read_section(&outer), Err(SectionError::Missing));
}
