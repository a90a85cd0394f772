//! The hook points as Rust functions: what the host calls in a plugin.

use std::sync::Arc;

use serde_json::Value as Json;
use wasmtime::Store;

use super::bindings::{Choice, Failure, Notification, NotifierPlugin, WidgetPlugin, widget};
use super::call::{CallError, CallState};
use super::capability::service::ServiceAccess;
use super::manifest::{Cache, FieldKind};
use super::registry::{Plugin, Plugins};
use super::text::{Secrets, one_line};
use super::view::{MAX_DATA_BYTES, view_json};

const MAX_CHOICES: usize = 1_000;
const MAX_SENTENCE_BYTES: usize = 2_000;
const MAX_MESSAGE_ID_BYTES: usize = 1_000;

/// A view that was checked, with its JSON form.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    pub view: widget::View,
    pub json: Json,
}

impl Plugins {
    /// One delivery attempt. Answers the provider's id of the message. The secrets that the notification holds are
    /// taken out of all that the plugin logs and says.
    ///
    /// # Errors
    /// If the plugin gave no answer; its own failure is the inner one.
    pub async fn notifier_send(
        &self,
        plugin: &Arc<Plugin>,
        notification: Notification,
        settings: &Json,
        rule: &Json,
        secrets: &[&str],
    ) -> Result<Result<Option<String>, Failure>, CallError> {
        let secrets = Secrets::new(secrets);
        let mut state = self.state(plugin, None);
        state.log.secrets = secrets.clone();
        state.mail.allow(&notification.recipients, sender(plugin, settings));
        let (settings, rule) = (settings.to_string(), rule.to_string());
        let answer = self.runner.run(plugin, state, move |store, plugin| {
            Box::pin(async move {
                let guest = notifier(store, plugin).await?;
                let guest = guest.frontdesk_plugin_notifier();
                guest.call_send(store, &notification, &settings, &rule).await
            })
        });
        Ok(match answer.await? {
            Ok(id) => Ok(bounded("send() answered with an id", id, MAX_MESSAGE_ID_BYTES, &secrets)?),
            Err(failure) => Err(tidy(plugin, failure, &secrets)),
        })
    }

    /// Tries settings, saved or not yet. Answers a sentence for the admin.
    ///
    /// # Errors
    /// If the plugin gave no answer; its own failure is the inner one.
    pub async fn notifier_check(
        &self,
        plugin: &Arc<Plugin>,
        settings: &Json,
    ) -> Result<Result<Option<String>, Failure>, CallError> {
        let settings = settings.to_string();
        let answer = self.runner.run(plugin, self.state(plugin, None), move |store, plugin| {
            Box::pin(async move {
                let guest = notifier(store, plugin).await?;
                guest.frontdesk_plugin_notifier().call_check(store, &settings).await
            })
        });
        Ok(match answer.await? {
            Ok(sentence) => Ok(bounded(
                "check() answered with a sentence",
                sentence,
                MAX_SENTENCE_BYTES,
                &Secrets::default(),
            )?),
            Err(failure) => Err(tidy(plugin, failure, &Secrets::default())),
        })
    }

    /// What a dynamic field of a rule offers.
    ///
    /// # Errors
    /// If the plugin gave no answer; its own failure is the inner one.
    pub async fn notifier_options(
        &self,
        plugin: &Arc<Plugin>,
        field: String,
        search: String,
        settings: &Json,
        rule: &Json,
    ) -> Result<Result<Vec<Choice>, Failure>, CallError> {
        let (settings, rule) = (settings.to_string(), rule.to_string());
        let answer = self.runner.run(plugin, self.state(plugin, None), move |store, plugin| {
            Box::pin(async move {
                let guest = notifier(store, plugin).await?;
                let guest = guest.frontdesk_plugin_notifier();
                guest.call_options(store, &field, &search, &settings, &rule).await
            })
        });
        match answer.await? {
            Ok(choices) if choices.len() > MAX_CHOICES => Err(CallError::Answer(format!(
                "options() answered with {} choices; {MAX_CHOICES} are allowed, narrow them by what was typed",
                choices.len()
            ))),
            Ok(choices) => {
                for choice in &choices {
                    let texts = [Some(&choice.id), Some(&choice.name), choice.description.as_ref()];
                    if texts.into_iter().flatten().any(|text| text.len() > MAX_SENTENCE_BYTES) {
                        let what = "options() answered with a text";
                        return Err(CallError::Answer(format!(
                            "{what} of more than {MAX_SENTENCE_BYTES} bytes"
                        )));
                    }
                }
                Ok(Ok(choices))
            }
            Err(failure) => Ok(Err(tidy(plugin, failure, &Secrets::default()))),
        }
    }

    /// Draws a widget.
    ///
    /// # Errors
    /// If the request does not fit the manifest, the plugin gave no answer, or the view is beyond its bounds.
    pub async fn widget_render(
        &self,
        plugin: &Arc<Plugin>,
        request: widget::Request,
        access: ServiceAccess,
    ) -> Result<Result<Rendered, Failure>, CallError> {
        let id = request.widget.clone();
        let state = self.widget_state(plugin, &request, access)?;
        let answer = self.runner.run(plugin, state, move |store, plugin| {
            Box::pin(async move {
                let guest = widget(store, plugin).await?;
                guest.frontdesk_plugin_widget().call_render(store, &request).await
            })
        });
        match answer.await? {
            Ok(view) => match view_json(&view, actions(plugin, &id)) {
                Ok(json) => Ok(Ok(Rendered { view, json })),
                Err(error) => Err(CallError::Answer(format!("render().{error}"))),
            },
            Err(failure) => Ok(Err(tidy(plugin, failure, &Secrets::default()))),
        }
    }

    /// A button or a form. Answers a sentence to show; the caller then renders again, past the cache.
    ///
    /// # Errors
    /// If the request does not fit the manifest, or the plugin gave no answer.
    pub async fn widget_act(
        &self,
        plugin: &Arc<Plugin>,
        request: widget::Request,
        access: ServiceAccess,
        action: String,
        data: &Json,
    ) -> Result<Result<Option<String>, Failure>, CallError> {
        if !actions(plugin, &request.widget).contains(&action) {
            return Err(CallError::Request(format!(
                "widget {} has no action {action:?}; plugin.toml lists them under actions",
                request.widget
            )));
        }
        let data = data.to_string();
        if data.len() > MAX_DATA_BYTES {
            let most = MAX_DATA_BYTES / 1024;
            return Err(CallError::Request(format!("the data of an action may hold {most} KiB")));
        }
        let state = self.widget_state(plugin, &request, access)?;
        let answer = self.runner.run(plugin, state, move |store, plugin| {
            Box::pin(async move {
                let guest = widget(store, plugin).await?;
                guest.frontdesk_plugin_widget().call_act(store, &request, &action, &data).await
            })
        });
        Ok(match answer.await? {
            Ok(sentence) => Ok(bounded(
                "act() answered with a sentence",
                sentence,
                MAX_SENTENCE_BYTES,
                &Secrets::default(),
            )?),
            Err(failure) => Err(tidy(plugin, failure, &Secrets::default())),
        })
    }

    fn state(&self, plugin: &Plugin, widget: Option<(usize, ServiceAccess)>) -> CallState {
        CallState::new(plugin, &self.host, self.runner.clocks(plugin), widget)
    }

    fn widget_state(
        &self,
        plugin: &Plugin,
        request: &widget::Request,
        access: ServiceAccess,
    ) -> Result<CallState, CallError> {
        let widgets = &plugin.manifest().widgets;
        let Some(index) = widgets.iter().position(|widget| widget.id == request.widget) else {
            let message = format!("plugin {} has no widget {:?}", plugin.id(), request.widget);
            return Err(CallError::Request(message));
        };
        // What is drawn once for everybody must not know anybody.
        let personal = request.viewer.is_some() || matches!(access, ServiceAccess::Viewer(_));
        if widgets[index].cache == Cache::Shared && personal {
            let message = format!("widget {} is shared and is rendered without a viewer", request.widget);
            return Err(CallError::Request(message));
        }
        Ok(self.state(plugin, Some((index, access))))
    }
}

/// The one setting whose meaning the host knows: `sender_address` of type `email`.
fn sender<'s>(plugin: &Plugin, settings: &'s Json) -> Option<&'s str> {
    const KEY: &str = "sender_address";
    let mut fields = plugin.manifest().settings.iter();
    fields.find(|field| field.key == KEY && matches!(field.kind, FieldKind::Email))?;
    settings.get(KEY)?.as_str().filter(|sender| !sender.trim().is_empty())
}

fn actions<'p>(plugin: &'p Plugin, widget: &str) -> &'p [String] {
    plugin.manifest().widget(widget).map_or(&[], |widget| &widget.actions)
}

async fn notifier(store: &mut Store<CallState>, plugin: &Plugin) -> wasmtime::Result<NotifierPlugin> {
    let indices =
        plugin.notifier.as_ref().ok_or_else(|| wasmtime::format_err!("the plugin is no notifier"))?;
    let instance = plugin.pre.instantiate_async(&mut *store).await?;
    indices.load(store, &instance)
}

async fn widget(store: &mut Store<CallState>, plugin: &Plugin) -> wasmtime::Result<WidgetPlugin> {
    let indices = plugin.widget.as_ref().ok_or_else(|| wasmtime::format_err!("the plugin has no widget"))?;
    let instance = plugin.pre.instantiate_async(&mut *store).await?;
    indices.load(store, &instance)
}

fn bounded(
    what: &str,
    text: Option<String>,
    bytes: usize,
    secrets: &Secrets,
) -> Result<Option<String>, CallError> {
    match text {
        Some(text) if text.len() > bytes => {
            Err(CallError::Answer(format!("{what} of more than {bytes} bytes")))
        }
        text => Ok(text.map(|text| one_line(&secrets.cut(text, bytes)).into_owned())),
    }
}

/// A failure is one sentence, and points at a setting that exists.
fn tidy(plugin: &Plugin, failure: Failure, secrets: &Secrets) -> Failure {
    let manifest = plugin.manifest();
    let known = |key: &String| {
        let mut fields = manifest.settings.iter().chain(&manifest.rule_settings);
        fields.any(|field| field.key == *key)
    };
    Failure {
        kind: failure.kind,
        message: one_line(&secrets.cut(failure.message, MAX_SENTENCE_BYTES)).into_owned(),
        retry_after_s: failure.retry_after_s,
        setting: failure.setting.filter(known),
    }
}
