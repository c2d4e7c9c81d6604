//! Contents as the API shows them.

use std::collections::HashMap;

use argosy_api as api;
use argosy_domain::model as m;
use argosy_domain::ports::{PortResult, ReadSession};
use argosy_proto::{ArtifactId, ContentId, ProductId};

use crate::present::{Names, content_fit, content_made, content_source, content_state, time};

fn path(id: ContentId, part: &str) -> String {
    format!("{}/contents/{id}/{part}", api::PREFIX)
}

fn colour(colour: m::Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue)
}

/// `#rrggbb`.
pub(crate) fn parse_colour(text: &str) -> Option<m::Rgb> {
    let digits =
        text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Some(m::Rgb { red: part(0)?, green: part(2)?, blue: part(4)? })
}

impl Names {
    pub(crate) async fn content(
        &mut self,
        read: &mut dyn ReadSession,
        content: m::Content,
        shown_by: Option<u64>,
    ) -> PortResult<api::ContentView> {
        let product = self.product(read, content.spec.product).await?;
        let spec = content.spec;
        let facts = spec.facts;
        Ok(api::ContentView {
            id: content.id.0,
            title: spec.title,
            description: spec.description,
            product,
            file_name: spec.file_name,
            state: content_state(spec.state),
            artifact: spec.binary.0,
            sha256: content.hash.to_string(),
            size: content.size,
            width: facts.width,
            height: facts.height,
            color_format: facts.color_format,
            source: content_source(facts.source),
            source_width: facts.source_width,
            source_height: facts.source_height,
            made: content_made(facts.made),
            fit: facts.fit.map(content_fit),
            background: facts.background.map(colour),
            thumbnail_path: path(content.id, "thumbnail"),
            preview_path: path(content.id, "preview"),
            shown_by,
            created_at: time(content.created_at),
        })
    }
}

/// Ids that devices of one product say, and the contents that they are.
#[derive(Debug, Default)]
pub(crate) struct Shown(HashMap<ArtifactId, Option<api::ShownContent>>);

impl Shown {
    /// Looks up the ids that are not known yet.
    pub(crate) async fn learn(
        &mut self,
        read: &mut dyn ReadSession,
        product: ProductId,
        ids: impl Iterator<Item = ArtifactId>,
    ) -> PortResult<()> {
        let mut new: Vec<ArtifactId> = ids.filter(|id| !self.0.contains_key(id)).collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return Ok(());
        }
        for content in read.contents_by_binary(product, &new).await? {
            let shown = api::ShownContent {
                id: content.id.0,
                title: content.spec.title,
                thumbnail_path: path(content.id, "thumbnail"),
                preview_path: path(content.id, "preview"),
            };
            self.0.insert(content.spec.binary, Some(shown));
        }
        for id in new {
            self.0.entry(id).or_insert(None);
        }
        Ok(())
    }

    /// Files as the API shows them.
    pub(crate) fn files(&self, ids: impl Iterator<Item = ArtifactId>) -> Vec<api::ShownFile> {
        ids.map(|id| api::ShownFile { artifact: id.0, content: self.0.get(&id).cloned().flatten() }).collect()
    }
}

/// What a deployment carries.
pub(crate) fn deployed_contents(deployment: &m::Deployment) -> Vec<api::DeployedContent> {
    let ids = deployment.spec.payload.contents();
    let files = ids.iter().zip(&deployment.files);
    files
        .map(|(id, file)| api::DeployedContent {
            id: id.0,
            title: file.name.clone(),
            artifact: file.artifact.0,
            sha256: file.hash.to_string(),
            size: file.size,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        let grey = m::Rgb { red: 0x10, green: 0xAB, blue: 0xff };
        assert_eq!(parse_colour("#10aBff"), Some(grey));
        assert_eq!(colour(grey), "#10abff");
        for bad in ["", "#", "10abff", "#10abf", "#10abff0", "#+0abff", "#가나", "black"] {
            assert_eq!(parse_colour(bad), None, "{bad}");
        }
    }
}
