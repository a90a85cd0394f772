//! `service`: GET of the service's own API, on the paths that the manifest names for the widget.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use super::BoxFuture;
use crate::plugins::bindings::{Failure, service};
use crate::plugins::call::CallState;
use crate::plugins::clocks::Clocks;
use crate::plugins::manifest::Manifest;

const GETS_PER_CALL: u32 = 20;
const BYTES_PER_CALL: usize = 512 * 1024;
const MAX_PATH_BYTES: usize = 2 * 1024;

/// With whose eyes a widget reads.
#[derive(Clone)]
pub enum ServiceAccess {
    /// What this viewer may see. What it is, only the reader knows.
    Viewer(Arc<dyn Any + Send + Sync>),
    /// Exactly what this permission opens; a shared widget without one reads nothing.
    Shared { permission: Option<String> },
}

impl fmt::Debug for ServiceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Viewer(_) => f.write_str("Viewer(..)"),
            Self::Shared { permission } => f.debug_struct("Shared").field("permission", permission).finish(),
        }
    }
}

/// The service's own API, called in process.
pub trait ServiceReader: Send + Sync {
    /// GETs a path with its query; answers the JSON document.
    fn get(&self, path: String, access: ServiceAccess) -> BoxFuture<'_, Result<String, Failure>>;
}

pub(in crate::plugins) struct Service {
    reader: Arc<dyn ServiceReader>,
    manifest: Arc<Manifest>,
    /// The widget that is rendered, by its place in the manifest; none while a notifier runs.
    widget: Option<(usize, ServiceAccess)>,
    gets_left: u32,
    bytes_left: usize,
    clocks: Clocks,
}

impl Service {
    pub(in crate::plugins) fn new(
        reader: Arc<dyn ServiceReader>,
        manifest: Arc<Manifest>,
        widget: Option<(usize, ServiceAccess)>,
        clocks: Clocks,
    ) -> Self {
        Self { reader, manifest, widget, gets_left: GETS_PER_CALL, bytes_left: BYTES_PER_CALL, clocks }
    }

    pub(in crate::plugins) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
        service::add_to_linker::<_, HasSelf<Self>>(linker, |state| &mut state.service)
    }

    fn check(&mut self, path: &str) -> Result<ServiceAccess, String> {
        let Some((index, access)) = &self.widget else {
            return Err(
                "service is for widgets; a notifier gets what it needs in the notification".to_owned()
            );
        };
        let widget = &self.manifest.widgets[*index];
        if path.len() > MAX_PATH_BYTES || path.contains(|c: char| c.is_control() || c == '#' || c == ' ') {
            return Err(format!("{path:?} is not a path with its query"));
        }
        let plain = path.split_once('?').map_or(path, |(plain, _)| plain);
        if !widget.reads.iter().any(|allowed| allowed == plain) {
            return Err(format!(
                "widget {} may not read {plain}; add reads = [\"{plain}\"] to its [[widget]] in plugin.toml",
                widget.id
            ));
        }
        self.gets_left = self.gets_left.checked_sub(1).ok_or_else(|| {
            format!("one call may read {GETS_PER_CALL} times; ask for more at once with ?limit=")
        })?;
        Ok(access.clone())
    }
}

impl service::Host for Service {
    async fn get(&mut self, path: String) -> wasmtime::Result<Result<String, Failure>> {
        let access = match self.check(&path) {
            Ok(access) => access,
            Err(message) => return Ok(Err(Failure::rejected(message))),
        };
        let works = self.clocks.host_works();
        let answer = self.reader.get(path, access).await;
        drop(works);
        if let Ok(document) = &answer {
            match self.bytes_left.checked_sub(document.len()) {
                Some(rest) => self.bytes_left = rest,
                None => {
                    let most = BYTES_PER_CALL / 1024;
                    let message =
                        format!("what one call reads may hold {most} KiB; ask for less with ?limit=");
                    return Ok(Err(Failure::rejected(message)));
                }
            }
        }
        Ok(answer)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("widget", &self.widget).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::{Api, clocks};
    use service::Host as _;

    const MANIFEST: &str = "id = \"online\"\nname = \"Online\"\nversion = \"1.0.0\"\n\
                            [[widget]]\nid = \"online\"\ntitle = \"Online\"\nreads = [\"/v1/admin/staff/online\"]\n";

    fn service(answer: &str, widget: bool) -> Service {
        let manifest = Arc::new(Manifest::parse(MANIFEST).expect("it parses"));
        let access = ServiceAccess::Shared { permission: Some("staff.view".to_owned()) };
        Service::new(Arc::new(Api(answer.to_owned())), manifest, widget.then_some((0, access)), clocks())
    }

    async fn refusal(service: &mut Service, path: &str) -> String {
        service.get(path.to_owned()).await.expect("no trap").expect_err("it is refused").message
    }

    #[tokio::test]
    async fn a_named_path_is_read_with_any_query() {
        let mut service = service("{}", true);
        for path in ["/v1/admin/staff/online", "/v1/admin/staff/online?limit=5"] {
            assert_eq!(service.get(path.to_owned()).await.expect("no trap").as_deref(), Ok("{}"));
        }
    }

    #[tokio::test]
    async fn another_path_is_told_with_the_line_to_add() {
        let mut service = service("{}", true);
        assert_eq!(
            refusal(&mut service, "/v1/admin/staff?limit=1").await,
            "widget online may not read /v1/admin/staff; add reads = [\"/v1/admin/staff\"] to its [[widget]] in plugin.toml"
        );
        assert_eq!(
            refusal(&mut service, "/v1/admin/staff/online/../../staff").await,
            "widget online may not read /v1/admin/staff/online/../../staff; add reads = [\"/v1/admin/staff/online/../../staff\"] to its [[widget]] in plugin.toml"
        );
    }

    #[tokio::test]
    async fn calls_and_bytes_are_bounded() {
        let path = "/v1/admin/staff/online";
        let mut few = service("{}", true);
        for _ in 0..GETS_PER_CALL {
            few.get(path.to_owned()).await.expect("no trap").expect("it is within bounds");
        }
        assert_eq!(
            refusal(&mut few, path).await,
            "one call may read 20 times; ask for more at once with ?limit="
        );

        let mut large = service(&"x".repeat(300 * 1024), true);
        large.get(path.to_owned()).await.expect("no trap").expect("it is within bounds");
        assert_eq!(
            refusal(&mut large, path).await,
            "what one call reads may hold 512 KiB; ask for less with ?limit="
        );
    }

    #[tokio::test]
    async fn a_notifier_does_not_read() {
        assert_eq!(
            refusal(&mut service("{}", false), "/v1/admin/staff/online").await,
            "service is for widgets; a notifier gets what it needs in the notification"
        );
    }
}
