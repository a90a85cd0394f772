//! What `wit-bindgen` makes of `wit/plugin.wit`: the imports and types once, and each kind's export over
//! them, so that one component may provide several kinds.

wit_bindgen::generate!({
    path: "wit",
    world: "imports",
    generate_all,
    additional_derives: [PartialEq],
});

pub mod notifier {
    wit_bindgen::generate!({
        path: "wit",
        world: "notifier-plugin",
        pub_export_macro: true,
        export_macro_name: "export_notifier",
        default_bindings_module: "frontdesk_plugin_sdk::bindings::notifier",
        additional_derives: [PartialEq],
        with: {
            "frontdesk:plugin/types@0.1.0": crate::bindings::frontdesk::plugin::types,
            "frontdesk:plugin/log@0.1.0": crate::bindings::frontdesk::plugin::log,
            "frontdesk:plugin/clock@0.1.0": crate::bindings::frontdesk::plugin::clock,
            "frontdesk:plugin/random@0.1.0": crate::bindings::frontdesk::plugin::random,
            "frontdesk:plugin/http@0.1.0": crate::bindings::frontdesk::plugin::http,
            "frontdesk:plugin/mail@0.1.0": crate::bindings::frontdesk::plugin::mail,
            "frontdesk:plugin/store@0.1.0": crate::bindings::frontdesk::plugin::store,
            "frontdesk:plugin/service@0.1.0": crate::bindings::frontdesk::plugin::service,
        },
    });
}

pub mod widget {
    wit_bindgen::generate!({
        path: "wit",
        world: "widget-plugin",
        pub_export_macro: true,
        export_macro_name: "export_widget",
        default_bindings_module: "frontdesk_plugin_sdk::bindings::widget",
        additional_derives: [PartialEq],
        with: {
            "frontdesk:plugin/types@0.1.0": crate::bindings::frontdesk::plugin::types,
            "frontdesk:plugin/log@0.1.0": crate::bindings::frontdesk::plugin::log,
            "frontdesk:plugin/clock@0.1.0": crate::bindings::frontdesk::plugin::clock,
            "frontdesk:plugin/random@0.1.0": crate::bindings::frontdesk::plugin::random,
            "frontdesk:plugin/http@0.1.0": crate::bindings::frontdesk::plugin::http,
            "frontdesk:plugin/mail@0.1.0": crate::bindings::frontdesk::plugin::mail,
            "frontdesk:plugin/store@0.1.0": crate::bindings::frontdesk::plugin::store,
            "frontdesk:plugin/service@0.1.0": crate::bindings::frontdesk::plugin::service,
        },
    });
}
