//! An HTTP client that knows how the service answers, and asserts all of it.

use crate::Secrets;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::net::IpAddr;

/// Somebody who calls the API, logged in or not.
#[derive(Debug, Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
    /// An API credential, as Basic sends it.
    basic: Option<(String, String)>,
    /// What a proxy in front says of where it was called from.
    forwarded_for: Option<String>,
    secrets: Secrets,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Method and path, for messages.
    asked: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Api {
    pub fn new(base: &str, secrets: &Secrets) -> Self {
        let (client, secrets) = (client(None), secrets.clone());
        Self { client, base: base.to_owned(), token: None, basic: None, forwarded_for: None, secrets }
    }

    /// The same caller with that session.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), basic: None, ..self.clone() }
    }

    /// The same caller with that API credential.
    pub fn with_basic(&self, identifier: &str, secret: &str) -> Self {
        Self { token: None, basic: Some((identifier.to_owned(), secret.to_owned())), ..self.clone() }
    }

    /// The same caller from another address of this machine: 127.0.0.2.
    pub fn from_address(&self, address: &str) -> Self {
        let address = address.parse().expect("an address of this machine");
        Self { client: client(Some(address)), ..self.clone() }
    }

    /// The same caller through a proxy that sends this as `X-Forwarded-For`.
    pub fn forwarded_for(&self, addresses: &str) -> Self {
        Self { forwarded_for: Some(addresses.to_owned()), ..self.clone() }
    }

    /// The same session at another address: after a restart.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.secrets.keep_from(body);
        self.send(self.request(method, path).json(body)).await
    }

    /// A request that a test shapes itself.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(addresses) = &self.forwarded_for {
            request = request.header("x-forwarded-for", addresses);
        }
        match (&self.token, &self.basic) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some((identifier, secret))) => request.basic_auth(identifier, Some(secret)),
            (None, None) => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("the test's request is well-formed");
        let asked = format!("{} {}", request.method(), request.url().path());
        let response =
            self.client.execute(request).await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        let answer = Answer { asked, status, headers, text };
        if let Ok(body) = serde_json::from_str(&answer.text) {
            self.secrets.keep_from(&body);
        }
        answer
    }
}

fn client(from: Option<IpAddr>) -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .local_address(from)
        .build()
        .expect("an HTTP client")
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("our headers are ASCII"))
    }

    pub fn content_type(&self) -> &str {
        self.header(CONTENT_TYPE.as_str()).unwrap_or("")
    }

    /// The body, if the status is the one.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text);
        if self.text.is_empty() { Value::Null } else { self.body() }
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text))
    }

    /// The problem document (RFC 9457), whole in form, if status and code are those.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text);
        let problem = self.any_problem();
        assert_eq!(problem["code"], code, "{}: {problem}", self.asked);
        problem
    }

    /// A problem document of any code, whole in form.
    pub fn any_problem(&self) -> Value {
        let asked = &self.asked;
        assert_eq!(self.content_type(), "application/problem+json", "{asked}: {} {}", self.status, self.text);
        let problem = self.body();
        assert_eq!(problem["status"], self.status.as_u16(), "{asked}: {problem}");
        for field in ["title", "code", "request_id"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{asked}: no {field}: {problem}"
            );
        }
        problem
    }

    /// A refusal of what was sent: `422 invalid`, with an error that names `field`.
    pub fn invalid(&self, field: &str) -> Value {
        let problem = self.problem(422, "invalid");
        let errors =
            problem["errors"].as_array().unwrap_or_else(|| panic!("{}: no errors: {problem}", self.asked));
        for error in errors {
            for part in ["field", "code", "message"] {
                assert!(
                    error[part].as_str().is_some_and(|text| !text.is_empty()),
                    "{}: {problem}",
                    self.asked
                );
            }
        }
        let fields: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
        assert!(fields.contains(&field), "{}: {field} is not at fault: {problem}", self.asked);
        problem
    }
}
