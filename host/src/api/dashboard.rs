//! placeholder while the engine is merged
use super::routes::Routes;
pub(super) fn routes(routes: Routes) -> Routes { routes }
