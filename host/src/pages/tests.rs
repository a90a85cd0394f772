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
    for path in ["/", "/accept", "/reset-password", "/docs"] {
        let (status, headers, html) = get_with(path, None).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
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

/// What a script of ours imports, as written in it.
fn imports(script: &str) -> impl Iterator<Item = &str> {
    script.lines().filter_map(|line| line.strip_prefix("import ")?.split('"').nth(1))
}

#[tokio::test]
async fn scripts_import_only_what_the_binary_has() {
    for path in ["/assets/accept.js", "/assets/reset-password.js"] {
        let (_, _, script) = get_with(path, None).await;
        let mut loaded = 0;
        for import in imports(&script) {
            let file = import.strip_prefix("./").unwrap_or_else(|| panic!("{path} imports {import}"));
            let (status, headers, shared) = get_with(&format!("/assets/{file}"), None).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
            for name in script
                .lines()
                .find_map(|line| line.strip_prefix("import { ")?.split(" }").next())
                .unwrap()
                .split(", ")
            {
                let exported = [format!("function {name}("), format!("const {name} =")];
                assert!(exported.iter().any(|as_what| shared.contains(as_what)), "{file} has no {name}");
            }
            loaded += 1;
        }
        assert_eq!(loaded, 1, "{path}");
    }
}

/// Every element that a script asks for by its id stands in its page, and no id stands there twice.
#[tokio::test]
async fn scripts_know_their_pages() {
    for page in ["accept", "reset-password"] {
        let (_, _, html) = get_with(&format!("/{page}"), None).await;
        let (_, _, script) = get_with(&format!("/assets/{page}.js"), None).await;
        let ids: Vec<_> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len(), "{page}: {ids:?}");
        for start in ["byId(\"", "show(\"", "form(\"", "revealing(\""] {
            for id in script.split(start).skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(ids.contains(&id), "{page} has no {id}");
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
