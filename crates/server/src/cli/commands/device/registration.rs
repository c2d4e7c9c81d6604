//! `argosy device create` and `update`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use argosy_api::{
    ChangeDevicesRequest, ChangeDevicesResponse, CreateDeviceRequest, CreateDeviceResponse, DeviceChange,
    DeviceSelection, DeviceView,
};
use clap::{ArgGroup, Args};
use hyper::Method;

use super::super::pair;
use super::certificates::{read_csr, write_or_print};
use super::{path, views};
use crate::args::Failure;
use crate::cli::context::Context;

/// Registers a device.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its key: [A-Za-z0-9][A-Za-z0-9_.-]{0,63}
    key: String,
    /// Its product
    #[arg(long)]
    product: String,
    /// Its name for people [default: the key]
    #[arg(long)]
    name: Option<String>,
    /// Its group
    #[arg(long)]
    group: Option<String>,
    /// Its region
    #[arg(long)]
    region: Option<String>,
    /// An attribute; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// Make only its identity known: it takes no part until it registers itself with a code
    #[arg(long)]
    unregistered: bool,
    /// A certificate request (PEM): a certificate comes with the answer
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Where to write the certificate and its intermediates [default: standard output]
    #[arg(long, requires = "csr", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to write the roots that the device must trust
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

/// Changes registrations.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("selected").multiple(true)))]
pub(crate) struct UpdateArgs {
    /// Their keys (or id:42, for a single one). Or select them with --of-product, --in-group, --in-region
    #[arg(required_unless_present = "selected")]
    devices: Vec<String>,
    /// Every device of this product
    #[arg(long, value_name = "PRODUCT", group = "selected", conflicts_with = "devices")]
    of_product: Option<String>,
    /// Every device in this group
    #[arg(long, value_name = "GROUP", group = "selected", conflicts_with = "devices")]
    in_group: Option<String>,
    /// Every device in this region
    #[arg(long, value_name = "REGION", group = "selected", conflicts_with = "devices")]
    in_region: Option<String>,
    /// New name; for a single device
    #[arg(long)]
    name: Option<String>,
    /// New group
    #[arg(long, conflicts_with = "no_group")]
    group: Option<String>,
    /// In no group any more
    #[arg(long)]
    no_group: bool,
    /// New region
    #[arg(long, conflicts_with = "no_region")]
    region: Option<String>,
    /// In no region any more
    #[arg(long)]
    no_region: bool,
    /// Sets an attribute, others stay; for a single device; may be repeated
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// Removes an attribute; for a single device; may be repeated
    #[arg(long, value_name = "KEY")]
    remove_attribute: Vec<String>,
}

impl CreateArgs {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let csr = self.csr.as_deref().map(read_csr).transpose()?;
        let request = CreateDeviceRequest {
            key: self.key,
            name: self.name,
            product: self.product,
            group: self.group,
            region: self.region,
            attributes: self.attributes.into_iter().collect(),
            csr,
            unregistered: self.unregistered,
        };
        let made: CreateDeviceResponse = context.client.create("devices", &request).await?;
        if let Some(roots) = &self.roots {
            write_or_print(context, Some(roots), &made.roots_pem)?;
        }
        if context.out.is_json() {
            return context.out.done(&made, "");
        }
        match &made.certificate {
            Some(issued) => {
                context.out.note(&format!(
                    "registered {}; certificate {} until {}",
                    made.device.key, issued.serial, issued.not_after
                ));
                let pem = format!("{}{}", issued.certificate_pem, issued.chain_pem);
                write_or_print(context, self.out.as_deref(), &pem)
            }
            None => views::show_device(context, &made.device),
        }
    }
}

/// A field of a change: absent, cleared, or a value.
fn cleared_or(clear: bool, value: Option<String>) -> Option<Option<String>> {
    if clear { Some(None) } else { value.map(Some) }
}

impl UpdateArgs {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let attributes = !self.attributes.is_empty() || !self.remove_attribute.is_empty();
        let mut change = DeviceChange {
            name: self.name,
            group: cleared_or(self.no_group, self.group),
            region: cleared_or(self.no_region, self.region),
            attributes: None,
        };
        if change == DeviceChange::default() && !attributes {
            return Err(Failure::usage("say what is to change: --name, --group, --region or --attribute"));
        }
        if let [device] = self.devices.as_slice() {
            if attributes {
                let now: DeviceView = context.client.get(&path(device)).await?;
                change.attributes = Some(merged(now.attributes, self.attributes, &self.remove_attribute));
            }
            let changed: DeviceView =
                context.client.call(Method::PATCH, &path(device), Some(&change)).await?;
            return views::show_device(context, &changed);
        }
        if change.name.is_some() || attributes {
            return Err(Failure::usage("a name and attributes are changed one device at a time"));
        }
        let selection = DeviceSelection {
            product: self.of_product,
            group: self.in_group,
            region: self.in_region,
            ..DeviceSelection::default()
        };
        let by_key = !self.devices.is_empty();
        let request = ChangeDevicesRequest {
            keys: by_key.then_some(self.devices),
            filter: (!by_key).then_some(selection),
            change,
        };
        let changed: ChangeDevicesResponse =
            context.client.call(Method::PATCH, "devices", Some(&request)).await?;
        context.out.done(&changed, &format!("changed {} devices", changed.changed))
    }
}

fn merged(
    mut attributes: BTreeMap<String, String>,
    set: Vec<(String, String)>,
    remove: &[String],
) -> BTreeMap<String, String> {
    attributes.extend(set);
    attributes.retain(|key, _| !remove.contains(key));
    attributes
}
