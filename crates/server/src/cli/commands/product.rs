//! `argosy product …`

use std::process::ExitCode;

use argosy_api::{DisplayProfile, ImageFormat, ListQuery, ProductSpec, ProductView};
use clap::{Args, Subcommand};
use hyper::Method;

use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::context::{Context, Take};
use crate::config::Size;

/// What can be done with products.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List products
    List {
        /// Only those whose name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Make a product
    Create {
        /// Its name
        name: String,
        /// The chip as its vendor writes it, for example esp32s3
        #[arg(long)]
        chip: String,
        /// How its images are built: esp-idf or raw
        #[arg(long, default_value = "esp-idf")]
        format: ImageFormat,
        /// The size of one firmware slot: bytes, or with a unit (1536KiB, 4MiB)
        #[arg(long, value_name = "SIZE")]
        slot_size: Size,
        #[command(flatten)]
        display: DisplayArgs,
    },
    /// Show a product
    Show {
        /// Its name, or id:42
        product: String,
    },
    /// Change a product; what is not given stays
    Update {
        /// Its name, or id:42
        product: String,
        /// Its new name
        #[arg(long)]
        name: Option<String>,
        /// The chip
        #[arg(long)]
        chip: Option<String>,
        /// How its images are built: esp-idf or raw
        #[arg(long)]
        format: Option<ImageFormat>,
        /// The size of one firmware slot
        #[arg(long, value_name = "SIZE")]
        slot_size: Option<Size>,
        #[command(flatten)]
        display: DisplayArgs,
        /// It has no screen any more
        #[arg(long, conflicts_with = "display")]
        no_display: bool,
    },
    /// Delete a product that nothing refers to
    Delete {
        /// Its name, or id:42
        product: String,
    },
}

/// The screen of a product.
#[derive(Debug, Args)]
pub(crate) struct DisplayArgs {
    /// Its screen: width x height x bits a pixel, for example 320x240x16
    #[arg(long, value_parser = display, value_name = "WxHxBITS")]
    display: Option<(u16, u16, u8)>,
    /// The two bytes of a 16-bit pixel are swapped
    #[arg(long, requires = "display")]
    swap_bytes: bool,
    /// Images keep their transparency
    #[arg(long, requires = "display")]
    alpha: bool,
}

fn display(text: &str) -> Result<(u16, u16, u8), String> {
    let wrong = || "write width x height x bits a pixel: 320x240x16".to_owned();
    let mut parts = text.split('x');
    let (Some(width), Some(height), Some(depth), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    match (width.parse(), height.parse(), depth.parse()) {
        (Ok(width), Ok(height), Ok(depth)) => Ok((width, height, depth)),
        _ => Err(wrong()),
    }
}

impl DisplayArgs {
    fn profile(&self) -> Option<DisplayProfile> {
        let (width, height, color_depth) = self.display?;
        Some(DisplayProfile { width, height, color_depth, swap_bytes: self.swap_bytes, alpha: self.alpha })
    }
}

fn bytes(size: Size) -> Result<i64, Failure> {
    i64::try_from(size.0).map_err(|_| Failure::usage("the slot size is too large"))
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List { search, take } => {
                let query = ListQuery { search, ..ListQuery::default() };
                let row = |product: &ProductView| {
                    vec![
                        product.id.to_string(),
                        product.name.clone(),
                        product.chip.clone(),
                        product.image_format.to_string(),
                        product.slot_size.to_string(),
                    ]
                };
                context
                    .list("products", &query, take, &["id", "name", "chip", "format", "slot size"], row)
                    .await?;
            }
            Self::Create { name, chip, format, slot_size, display } => {
                let spec = ProductSpec {
                    name,
                    chip,
                    image_format: format,
                    slot_size: bytes(slot_size)?,
                    display: display.profile(),
                };
                let made: ProductView = context.client.create("products", &spec).await?;
                show(context, &made)?;
            }
            Self::Show { product } => {
                let found: ProductView = context.client.get(&path(&product)).await?;
                show(context, &found)?;
            }
            Self::Update { product, name, chip, format, slot_size, display, no_display } => {
                let now: ProductView = context.client.get(&path(&product)).await?;
                let spec = ProductSpec {
                    name: name.unwrap_or(now.name),
                    chip: chip.unwrap_or(now.chip),
                    image_format: format.unwrap_or(now.image_format),
                    slot_size: slot_size.map(bytes).transpose()?.unwrap_or(now.slot_size),
                    display: if no_display { None } else { display.profile().or(now.display) },
                };
                let path = path(&format!("id:{}", now.id));
                let changed: ProductView = context.client.call(Method::PUT, &path, Some(&spec)).await?;
                show(context, &changed)?;
            }
            Self::Delete { product } => {
                context.client.act(Method::DELETE, &path(&product), None::<&()>).await?;
                context.out.note(&format!("deleted the product {product}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn path(product: &str) -> String {
    format!("products/{}", segment(product))
}

fn show(context: &Context, product: &ProductView) -> Result<(), Failure> {
    let screen = product.display.as_ref().map(|d| {
        format!(
            "{}x{}x{}{}{}",
            d.width,
            d.height,
            d.color_depth,
            if d.swap_bytes { ", bytes swapped" } else { "" },
            if d.alpha { ", transparency" } else { "" }
        )
    });
    let fields = [
        ("id", product.id.to_string()),
        ("name", product.name.clone()),
        ("chip", product.chip.clone()),
        ("image format", product.image_format.to_string()),
        ("slot size", product.slot_size.to_string()),
        ("display", screen.unwrap_or_default()),
        ("created", product.created_at.to_string()),
    ];
    context.out.record(product, &fields)
}

#[cfg(test)]
mod tests {
    use super::display;

    #[test]
    fn screens() {
        assert_eq!(display("320x240x16"), Ok((320, 240, 16)));
        for bad in ["", "320", "320x240", "320x240x16x1", "x240x16", "70000x1x1"] {
            assert!(display(bad).is_err(), "{bad}");
        }
    }
}
