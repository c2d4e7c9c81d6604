//! The description of the API: collected from the operations, served at `/api/v1/openapi.json`, and committed as `openapi/argosy.json`.

use std::sync::OnceLock;

use argosy_api::{Problem, SESSION_COOKIE};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Description, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::error::PROBLEM_TYPE;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Argosy",
        description = "Over-the-air updates and fleet management for microcontroller devices. Errors are problem details (RFC 9457); \
            the table of their codes is in docs/status-codes.md.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    security(("session" = []), ("token" = [])),
    components(schemas(Problem)),
    modifiers(&Finish),
    tags(
        (name = "account", description = "The caller's own account"),
        (name = "products", description = "Hardware models"),
        (name = "groups", description = "Groups of devices"),
        (name = "regions", description = "Regions"),
        (name = "devices", description = "Devices, their certificates and history"),
        (name = "firmware", description = "Uploads and firmware"),
        (name = "contents", description = "What displays show: pictures, made for a product's display"),
        (name = "deployments", description = "Deployments"),
        (name = "telemetry", description = "What devices tell over time"),
        (name = "sessions", description = "Live connections of devices"),
        (name = "ledger", description = "Dead letters and the audit trail"),
        (name = "system", description = "The server itself"),
    ),
    paths(
        crate::ops::auth::change_password::handle,
        crate::ops::auth::login::handle,
        crate::ops::auth::logout::handle,
        crate::ops::auth::me::handle,
        crate::ops::backup::create::handle,
        crate::ops::backup::hold::handle,
        crate::ops::backup::resume::handle,
        crate::ops::contents::change::handle,
        crate::ops::contents::create::handle,
        crate::ops::contents::delete::handle,
        crate::ops::contents::devices::handle,
        crate::ops::contents::files::file,
        crate::ops::contents::files::original,
        crate::ops::contents::files::preview,
        crate::ops::contents::files::thumbnail,
        crate::ops::contents::get::handle,
        crate::ops::contents::list::handle,
        crate::ops::deployments::cancel::handle,
        crate::ops::deployments::create::handle,
        crate::ops::deployments::devices::handle,
        crate::ops::deployments::events::handle,
        crate::ops::deployments::get::handle,
        crate::ops::deployments::list::handle,
        crate::ops::deployments::pause::handle,
        crate::ops::deployments::preview::handle,
        crate::ops::deployments::resume::handle,
        crate::ops::devices::activate::handle,
        crate::ops::devices::batch::handle,
        crate::ops::devices::certificates::handle,
        crate::ops::devices::change::handle,
        crate::ops::devices::change_many::handle,
        crate::ops::devices::content_history::handle,
        crate::ops::devices::contents::handle,
        crate::ops::devices::counts::handle,
        crate::ops::devices::create::handle,
        crate::ops::devices::events::handle,
        crate::ops::devices::firmware_history::handle,
        crate::ops::devices::get::handle,
        crate::ops::devices::issue_certificate::handle,
        crate::ops::devices::list::handle,
        crate::ops::devices::revoke_certificate::handle,
        crate::ops::devices::suspend::handle,
        crate::ops::devices::updates::handle,
        crate::ops::firmware::change::handle,
        crate::ops::firmware::create::handle,
        crate::ops::firmware::delete::handle,
        crate::ops::firmware::download_url::handle,
        crate::ops::firmware::get::handle,
        crate::ops::firmware::list::handle,
        crate::ops::identity::allow_expired::handle,
        crate::ops::identity::crl::handle,
        crate::ops::identity::import_ca::handle,
        crate::ops::identity::import_devices::handle,
        crate::ops::identity::imported_cas::handle,
        crate::ops::identity::remove_ca::handle,
        crate::ops::identity::revocations::handle,
        crate::ops::groups::create::handle,
        crate::ops::groups::delete::handle,
        crate::ops::groups::get::handle,
        crate::ops::groups::list::handle,
        crate::ops::groups::replace::handle,
        crate::ops::ledger::audit::handle,
        crate::ops::ledger::dead_letters::handle,
        crate::ops::products::create::handle,
        crate::ops::products::delete::handle,
        crate::ops::products::get::handle,
        crate::ops::products::list::handle,
        crate::ops::products::replace::handle,
        crate::ops::regions::create::handle,
        crate::ops::regions::delete::handle,
        crate::ops::regions::get::handle,
        crate::ops::regions::list::handle,
        crate::ops::regions::replace::handle,
        crate::ops::registration_codes::create::handle,
        crate::ops::registration_codes::get::handle,
        crate::ops::registration_codes::list::handle,
        crate::ops::registration_codes::revoke::handle,
        crate::ops::sessions::kick::handle,
        crate::ops::sessions::list::handle,
        crate::ops::telemetry::deployment_downloads::handle,
        crate::ops::telemetry::downloads::handle,
        crate::ops::telemetry::latest::handle,
        crate::ops::telemetry::logs::device,
        crate::ops::telemetry::logs::handle,
        crate::ops::telemetry::metrics::handle,
        crate::ops::telemetry::presence::handle,
        crate::ops::telemetry::sales::handle,
        crate::ops::telemetry::stream::handle,
        crate::ops::system::healthz::handle,
        crate::ops::system::metrics::handle,
        crate::ops::system::openapi::handle,
        crate::ops::system::readyz::handle,
        crate::ops::system::roots::handle,
        crate::ops::tokens::create::handle,
        crate::ops::tokens::delete::handle,
        crate::ops::tokens::list::handle,
        crate::ops::uploads::create::handle,
        crate::ops::uploads::put::handle,
    )
)]
struct Api;

/// What is the same for every operation.
struct Finish;

impl Modify for Finish {
    fn modify(&self, api: &mut Description) {
        let components = api.components.get_or_insert_with(Default::default);
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(SESSION_COOKIE)));
        components.add_security_scheme("session", cookie);
        let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        components.add_security_scheme("token", token);
        for item in api.paths.paths.values_mut() {
            for operation in operations(item) {
                let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
                let problem =
                    ResponseBuilder::new().description("What went wrong").content(PROBLEM_TYPE, content);
                operation
                    .responses
                    .responses
                    .entry("default".to_owned())
                    .or_insert(RefOr::T(problem.build()));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// The description.
pub fn description() -> Description {
    Api::openapi()
}

/// The description as it is served and committed: JSON, indented, with a line break at its end.
pub fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = description().to_pretty_json().unwrap_or_else(|_| "{}".to_owned());
        text.push('\n');
        text
    })
}
