//! The route table: every operation names who may call it before it can be added.

use std::sync::Arc;

use aide::{
    OperationInput, OperationOutput,
    axum::{
        ApiRouter,
        routing::{self, ApiMethodRouter},
    },
    openapi::{Operation, Parameter, ReferenceOr, StatusCode},
    transform::TransformOperation,
};
use axum::{
    extract::{DefaultBodyLimit, Request},
    handler::Handler,
    middleware::{Next, from_fn},
};
use frontdesk_core::{
    accounts::AccountPermission,
    api_access::{Catalogue, Operation as ApiOperation},
    roles::Permission,
    sessions::Pending,
};
use serde_json::json;

use super::{guard, problem::Code};
use crate::App;

/// Where the document describes every failure, once.
pub(super) const PROBLEM_RESPONSE: &str = "#/components/responses/Problem";

/// The largest body of an operation that asks for no login, in bytes.
const PUBLIC_BODY: usize = 16 * 1024;

/// Whose sessions an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Nobody's: whoever comes.
    Public,
    Staff,
    User,
}

/// What an operation of users needs beside their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// What is one's own.
    Nothing,
    /// That the session acts for an account, and that the user may do this there.
    Permission(AccountPermission),
    /// That the session acts for an account, and that the user owns it.
    Ownership,
}

/// An operation: what it is called, and who may call it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) id: &'static str,
    tag: &'static str,
    summary: &'static str,
    problems: &'static [Code],
    emits: &'static [&'static str],
    pub(super) audience: Audience,
    pub(super) permission: Option<Permission>,
    /// Of users.
    pub(super) needs: Needs,
    /// Never a program's, though it needs a permission.
    for_people: bool,
    /// A program's, too, though it needs no permission.
    also_for_programs: bool,
    /// Whether an admin may do it who came in as the user.
    pub(super) as_another: bool,
    pub(super) confirmation: bool,
    /// What may be pending while it works all the same.
    pub(super) despite: &'static [Pending],
}

impl Op {
    /// An operation that asks for no login.
    pub(super) const fn public(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            problems: &[],
            emits: &[],
            audience: Audience::Public,
            permission: None,
            needs: Needs::Nothing,
            for_people: false,
            also_for_programs: false,
            as_another: true,
            confirmation: false,
            despite: &[],
        }
    }

    /// An operation for staff; `None` permits every one of them.
    pub(super) const fn staff(
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
        permission: Option<Permission>,
    ) -> Self {
        Self { audience: Audience::Staff, permission, ..Self::public(id, tag, summary) }
    }

    /// An operation for users.
    pub(super) const fn client(
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
        needs: Needs,
    ) -> Self {
        Self { audience: Audience::User, needs, ..Self::public(id, tag, summary) }
    }

    /// Never a program's: it is bound to the caller's session.
    pub(super) const fn for_people(self) -> Self {
        Self { for_people: true, ..self }
    }

    /// A program's, too, though it needs no permission: its handler judges what the owner may.
    pub(super) const fn also_for_programs(self) -> Self {
        Self { also_for_programs: true, ..self }
    }

    /// Not for an admin who came in as the user: how they log in, and who is on the account, is theirs alone.
    pub(super) const fn not_as_another(self) -> Self {
        Self { as_another: false, ..self }
    }

    /// Asks for the password again if it was last given more than ten minutes ago.
    pub(super) const fn confirmed(self) -> Self {
        Self { confirmation: true, ..self }
    }

    /// Works in restricted sessions, too, where one of these is what must be done first.
    pub(super) const fn despite(self, pending: &'static [Pending]) -> Self {
        Self { despite: pending, ..self }
    }

    /// The codes it may answer beside those that every operation of its kind may.
    pub(super) const fn problems(self, problems: &'static [Code]) -> Self {
        Self { problems, ..self }
    }

    /// The events it may write into the activity log: when it succeeds, a moment later by what it began, and when it
    /// refuses a guess (at a password, a code, an answer). What names none changes nothing.
    pub(super) const fn emits(self, emits: &'static [&'static str]) -> Self {
        Self { emits, ..self }
    }

    /// Every code the operation may answer, its own and those of its kind.
    fn codes(&self, operation: &Operation) -> Vec<Code> {
        let mut codes = self.problems.to_vec();
        codes.extend([Code::Internal, Code::Overloaded, Code::TryAgain]);
        if operation.request_body.is_some() {
            codes.extend([Code::Malformed, Code::TooLarge, Code::UnsupportedMediaType, Code::Invalid]);
        }
        let parameters = operation.parameters.iter().filter_map(ReferenceOr::as_item);
        for parameter in parameters {
            match parameter {
                Parameter::Path { .. } => codes.push(Code::NotFound),
                Parameter::Query { .. } => codes.push(Code::Invalid),
                Parameter::Header { .. } | Parameter::Cookie { .. } => {}
            }
        }
        codes.extend([Code::OriginRefused, Code::AddressBanned]);
        if self.audience == Audience::Staff {
            codes.push(Code::LoginRequired);
            // Programs are told that they cannot call it, or why not now.
            codes.extend([Code::CredentialRefused, Code::AddressNotAllowed, Code::TooManyAttempts]);
            codes.push(Code::OperationNotAllowed);
        }
        if self.audience == Audience::User {
            codes.push(Code::LoginRequired);
        }
        if self.audience != Audience::Public {
            let stored = Pending::STORED.iter().filter(|pending| !self.despite.contains(pending));
            codes.extend(stored.map(|pending| Code::of_pending(*pending)));
        }
        match self.needs {
            Needs::Nothing => {}
            Needs::Permission(_) => codes.extend([Code::AccountChoiceRequired, Code::PermissionRequired]),
            Needs::Ownership => codes.extend([Code::AccountChoiceRequired, Code::OwnerRequired]),
        }
        if !self.as_another {
            codes.push(Code::LoginAsRefused);
        }
        // Programs need the permission to be there at all.
        if self.permission.is_some() || self.also_for_programs {
            codes.push(Code::PermissionRequired);
        }
        if self.confirmation {
            codes.push(Code::ConfirmationRequired);
        }
        codes.sort_unstable_by_key(|code| (code.status(), code.name()));
        codes.dedup();
        codes
    }

    /// As an API role can list it: what needs no permission is, but for a few, one's own, and no program's.
    pub(super) fn for_programs(&self) -> Option<ApiOperation> {
        let permission = self.permission;
        let listed = self.audience == Audience::Staff
            && !self.for_people
            && (permission.is_some() || self.also_for_programs);
        listed.then_some(ApiOperation { id: self.id, group: self.tag, summary: self.summary, permission })
    }

    fn describe<'t>(&self, operation: TransformOperation<'t>) -> TransformOperation<'t> {
        let mut operation = operation.id(self.id).tag(self.tag).summary(self.summary);
        let inner = operation.inner_mut();
        let codes = self.codes(inner);
        let responses = &mut inner.responses.get_or_insert_default().responses;
        for code in &codes {
            let problem = ReferenceOr::ref_(PROBLEM_RESPONSE);
            responses.entry(StatusCode::Code(code.status())).or_insert(problem);
        }
        let audience = match self.audience {
            Audience::Public => "public",
            Audience::Staff => "staff",
            Audience::User => "client",
        };
        let account = match self.needs {
            Needs::Nothing => None,
            Needs::Permission(permission) => Some(permission.as_str()),
            Needs::Ownership => Some("owner"),
        };
        let extension = json!({
            "audience": audience,
            "permission": self.permission.map(Permission::slug),
            "account": account,
            "as_another": self.as_another,
            "confirmation": self.confirmation,
            "emits": self.emits,
            "api": self.for_programs().is_some(),
            "despite": self.despite.iter().map(|pending| pending.as_str()).collect::<Vec<_>>(),
            "problems": codes.into_iter().map(Code::name).collect::<Vec<_>>(),
        });
        inner.extensions.insert("x-frontdesk".into(), extension);
        let operation = match self.audience {
            Audience::Public => operation,
            Audience::Staff => operation.security_requirement("session").security_requirement("cookie"),
            Audience::User => {
                operation.security_requirement("client_session").security_requirement("client_cookie")
            }
        };
        match self.for_programs() {
            Some(_) => operation.security_requirement("credential").security_requirement("credential_bearer"),
            None => operation,
        }
    }
}

/// Operations on their way into the router.
#[derive(Debug)]
pub(super) struct Routes {
    app: App,
    router: ApiRouter<App>,
    for_programs: Vec<ApiOperation>,
}

macro_rules! methods {
    ($($method:ident $method_with:ident),*) => { $(
        pub(super) fn $method<H, I, O, T>(self, path: &str, op: Op, handler: H) -> Self
        where
            H: Handler<T, App> + aide::axum::AxumOperationHandler<I, O, T, App>,
            I: OperationInput,
            O: OperationOutput,
            T: 'static,
        {
            let method = routing::$method_with(handler, |operation| op.describe(operation));
            self.route(path, op, method)
        }
    )* };
}

impl Routes {
    pub(super) fn new(app: App) -> Self {
        Self { app, router: ApiRouter::new(), for_programs: Vec::new() }
    }

    methods!(get get_with, post post_with, put put_with, patch patch_with, delete delete_with);

    fn route(mut self, path: &str, op: Op, method: ApiMethodRouter<App>) -> Self {
        self.for_programs.extend(op.for_programs());
        let op = Arc::new(op);
        let app = self.app.clone();
        // Whoever is not known yet sends no more than a form.
        let most = match op.audience {
            Audience::Public => app.config().limits.body.min(PUBLIC_BODY),
            Audience::Staff | Audience::User => app.config().limits.body,
        };
        let method = method.layer(DefaultBodyLimit::max(most));
        // Around the handler, so before its extractors: the body of a stranger is never read.
        let guarded = method.layer(from_fn(move |request: Request, next: Next| {
            let (app, op) = (app.clone(), Arc::clone(&op));
            async move { guard::admit(&app, &op, request, next).await }
        }));
        self.router = self.router.api_route(path, guarded);
        self
    }

    pub(super) fn into_router(self, app: &App) -> ApiRouter<App> {
        app.set_catalogue(Catalogue::from_iter(self.for_programs));
        self.router
    }
}
