//! Scripts and style sheets, all inside the binary, each with an ETag of its content.

use std::sync::LazyLock;

use aide::swagger::Swagger;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
    /// Quoted, as it stands in the header.
    pub(super) etag: String,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

pub(super) fn all() -> &'static [Asset] {
    static ALL: LazyLock<Vec<Asset>> = LazyLock::new(|| {
        let swagger = swagger_ui();
        vec![
            asset("/assets/accept.js", SCRIPT, include_str!("files/accept.js")),
            asset("/assets/accept-account.js", SCRIPT, include_str!("files/accept-account.js")),
            asset("/assets/accept-staff.js", SCRIPT, include_str!("files/accept-staff.js")),
            asset("/assets/verify-email.js", SCRIPT, include_str!("files/verify-email.js")),
            asset("/assets/login-as.js", SCRIPT, include_str!("files/login-as.js")),
            asset("/assets/login.js", SCRIPT, include_str!("files/login.js")),
            asset("/assets/security-key.js", SCRIPT, include_str!("files/security-key.js")),
            asset("/assets/reset-password.js", SCRIPT, include_str!("files/reset-password.js")),
            asset("/assets/page.js", SCRIPT, include_str!("files/page.js")),
            asset("/assets/page.css", STYLE, include_str!("files/page.css")),
            asset("/assets/docs.js", SCRIPT, include_str!("files/docs.js")),
            asset("/assets/docs.css", STYLE, include_str!("files/docs.css")),
            asset("/assets/swagger-ui.js", SCRIPT, swagger.script),
            asset("/assets/swagger-ui.css", STYLE, swagger.style),
        ]
    });
    &ALL
}

fn asset(path: &'static str, content_type: &'static str, text: &'static str) -> Asset {
    let hash = Sha256::digest(text.as_bytes());
    let etag = format!("\"{}\"", BASE64URL_NOPAD.encode(&hash[..16]));
    Asset { path, content_type, text, etag }
}

pub(super) struct SwaggerUi {
    pub(super) script: &'static str,
    pub(super) style: &'static str,
}

/// aide carries Swagger UI, but only as a page with everything inline, which our policy forbids. So its
/// script and its style sheet are taken out of that page. A test holds the seams.
pub(super) fn swagger_ui() -> SwaggerUi {
    let between = |page: &'static str, start: &str, end: &str| {
        page.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(found, _)| found)
    };
    // Once per process, and needed for as long as it lives.
    let page: &'static str = Swagger::new("openapi.json").html().leak();
    SwaggerUi { script: between(page, "<script>", "</script>"), style: between(page, "<style>", "</style>") }
}
