//! The widget "Staff Online": who of the staff is here right now.

use frontdesk_plugin_sdk::{
    Failure, Nothing, service,
    view::View,
    widget::{Request, Widget},
};

mod online;

struct StaffOnline;

impl Widget for StaffOnline {
    type Settings = Nothing;
    type Preferences = Nothing;

    fn render(_: Request) -> Result<View, Failure> {
        Ok(online::view(service::get("/v1/admin/staff/online?limit=50")?))
    }
}

frontdesk_plugin_sdk::widget!(StaffOnline);

#[cfg(test)]
mod tests;
