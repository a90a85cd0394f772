use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn get_with(path: &str, header: Option<(HeaderName, &str)>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = routes::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    (parts.status, parts.headers, body)
}

/// What a page loads or links to, as written in it.
fn references(html: &str) -> impl Iterator<Item = &str> {
    ["src=\"", "href=\""].into_iter().flat_map(|attribute| {
        html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap_or_default())
    })
}

#[tokio::test]
async fn pages_are_strict_and_load_only_what_the_binary_has() {
    for path in ["/", "/accept", "/verify-email", "/login-as", "/reset-password", "/docs"] {
        let (status, headers, html) = get_with(path, None).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!html.contains("<!--"), "{path} lacks a part");
        for inline in ["<style", " style=", "<script>", " onclick=", "javascript:"] {
            assert!(!html.contains(inline), "{path} has {inline}");
        }
        let mut loaded = 0;
        for reference in references(&html) {
            // Relative, so that the service can live below a path of somebody else's origin.
            assert!(!reference.starts_with('/') && !reference.contains("//"), "{path} refers to {reference}");
            if reference.starts_with("assets/") {
                loaded += 1;
                assert_eq!(get_with(&format!("/{reference}"), None).await.0, StatusCode::OK, "{reference}");
            }
        }
        assert!(loaded > 0, "{path}");
    }
}

/// What a script of ours imports, as written in it: names, and from which file.
fn imports(script: &str) -> impl Iterator<Item = (Vec<&str>, &str)> {
    script.lines().filter(|line| line.starts_with("import ")).map(|line| {
        let rest = line.strip_prefix("import { ").expect("imports are named, and on one line");
        let (names, from) = rest.split_once(" } from ").expect("imports are named, and on one line");
        (names.split(", ").collect(), from.trim_matches(['"', ';']))
    })
}

fn is_ours(asset: &Asset) -> bool {
    asset.path.ends_with(".js") && !asset.path.ends_with("swagger-ui.js")
}

#[tokio::test]
async fn scripts_import_only_what_the_binary_has() {
    for asset in assets::all().iter().filter(|asset| is_ours(asset)) {
        for (names, from) in imports(asset.text) {
            let file = from.strip_prefix("./").unwrap_or_else(|| panic!("{} imports {from}", asset.path));
            let (status, headers, shared) = get_with(&format!("/assets/{file}"), None).await;
            assert_eq!(status, StatusCode::OK, "{} imports {from}", asset.path);
            assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
            for name in names {
                let exported = [
                    format!("export function {name}("),
                    format!("export async function {name}("),
                    format!("export const {name} ="),
                ];
                assert!(exported.iter().any(|as_what| shared.contains(as_what)), "{file} has no {name}");
                let used = asset.text.matches(name).count();
                assert!(used > 1, "{} imports {name} and does not use it", asset.path);
            }
        }
    }
}

/// Nothing that could write markup, run text, or keep a secret: tokens and passwords live in memory alone.
#[tokio::test]
async fn scripts_keep_nothing_and_write_no_markup() {
    let never =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Storage", "indexedDB"];
    for asset in assets::all().iter().filter(|asset| is_ours(asset)) {
        for word in never {
            assert!(!asset.text.contains(word), "{} has {word}", asset.path);
        }
    }
}

/// Every element that a script asks for by its id stands in its page, and no id stands there twice.
#[tokio::test]
async fn scripts_know_their_pages() {
    let pages: [(&str, &[&str]); 4] = [
        ("accept", &["accept", "accept-staff", "accept-account", "login", "page"]),
        ("verify-email", &["verify-email", "login", "page"]),
        // Of login.js it takes what needs no form.
        ("login-as", &["login-as", "page"]),
        ("reset-password", &["reset-password", "page"]),
    ];
    for (page, scripts) in pages {
        let (_, _, html) = get_with(&format!("/{page}"), None).await;
        let ids: Vec<_> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len(), "{page}: {ids:?}");
        for attribute in [" for=\"", " aria-controls=\"", " aria-describedby=\""] {
            let named = html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            for id in named.flat_map(|list| list.split(' ')) {
                assert!(ids.contains(&id), "{page} has no {id}");
            }
        }
        for script in scripts {
            let (_, _, script) = get_with(&format!("/assets/{script}.js"), None).await;
            for start in [
                "byId(\"",
                "show(\"",
                "form(\"",
                "revealing(\"",
                "showInstant(\"",
                "somebodyElse(\"",
                "button: \"",
            ] {
                for id in script.split(start).skip(1).filter_map(|rest| rest.split('"').next()) {
                    assert!(ids.contains(&id), "{page} has no {id}");
                }
            }
        }
    }
}

#[tokio::test]
async fn assets_are_revalidated_by_their_content() {
    for asset in assets::all() {
        let (status, headers, body) = get_with(asset.path, None).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, asset.text));
        assert_eq!(headers[header::CONTENT_TYPE], asset.content_type);
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let etag = headers[header::ETAG].to_str().unwrap();
        for known in [etag.to_owned(), format!("\"other\", W/{etag}")] {
            let (status, headers, body) = get_with(asset.path, Some((header::IF_NONE_MATCH, &known))).await;
            assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
            assert_eq!(headers[header::ETAG], etag);
        }
        let stale = get_with(asset.path, Some((header::IF_NONE_MATCH, "\"other\""))).await;
        assert_eq!(stale.0, StatusCode::OK);
    }
}

#[test]
fn swagger_ui_is_taken_out_whole() {
    let swagger = assets::swagger_ui();
    assert!(swagger.script.contains("SwaggerUIBundle=") && swagger.script.len() > 500_000);
    assert!(
        swagger.script.trim_end().ends_with("swagger-ui-bundle.js.map")
            || swagger.script.trim_end().ends_with(';')
    );
    assert!(swagger.style.contains(".swagger-ui") && swagger.style.len() > 50_000);
    assert!(!swagger.script.contains("<script") || !swagger.script.contains("</script"));
}
