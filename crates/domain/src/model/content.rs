//! Content: what a product's display shows (an advertisement, a screen, a UI resource), as it was uploaded and as devices download it.

use argosy_proto::{ArtifactId, ContentId, DeploymentId, DeviceId, HistoryId, ProductId, Sha256Hash};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

/// The most contents of one deployment, and so the most files of one request.
pub const MAX_CONTENTS: usize = 16;
/// The largest file that content is made from, in bytes: it is decoded in memory.
pub const MAX_CONTENT_FILE: u64 = 32 * 1024 * 1024;

text_enum! {
    /// How an image that has not the display's shape is brought onto it.
    ContentFit {
        /// Whole image, bars of the background where it does not reach.
        Fit = "fit",
        /// Whole display, what hangs over is cut off evenly.
        Fill = "fill",
    }
}

text_enum! {
    /// What was uploaded.
    ContentSource {
        /// A PNG image.
        Png = "png",
        /// A JPEG image.
        Jpeg = "jpeg",
        /// A WebP image.
        Webp = "webp",
        /// An LVGL 8 binary image, made elsewhere.
        Lvgl = "lvgl",
    }
}

text_enum! {
    /// How the device binary came to be.
    ContentMade {
        /// The server made it from the original image.
        Converted = "converted",
        /// It was uploaded ready, and found to be what the product's display takes.
        Ready = "ready",
    }
}

text_enum! {
    /// Whether a content may be deployed.
    ContentState {
        /// May be deployed.
        Available = "available",
        /// May not be deployed any more; what shows it keeps showing it.
        Withdrawn = "withdrawn",
    }
}

/// A colour of the background, 8 bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rgb {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

/// What is known of a content's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// Pixels across of the binary: the display's, or fewer if it was uploaded ready.
    pub width: u16,
    /// Pixels down of the binary: see `width`.
    pub height: u16,
    /// Colour format of the binary as LVGL names it (`TRUE_COLOR`, `TRUE_COLOR_ALPHA`, …).
    pub color_format: String,
    /// What was uploaded.
    pub source: ContentSource,
    /// How the binary came to be.
    pub made: ContentMade,
    /// Pixels of the uploaded image, upright; for a ready binary its own.
    pub source_width: u32,
    /// See `source_width`.
    pub source_height: u32,
    /// How it was brought onto the display; `None` for a ready binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<ContentFit>,
    /// The bars' colour, and what shows through a transparent image; `None` for a ready binary, and where the display blends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Rgb>,
}

/// What a content is registered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewContent {
    /// Its title; unique, ASCII case aside.
    pub title: String,
    /// Free text.
    pub description: String,
    /// For which hardware model: the binary is made for its display.
    pub product: ProductId,
    /// The uploaded file's name.
    pub file_name: String,
    /// The image as uploaded; `None` when a ready binary was.
    pub original: Option<ArtifactId>,
    /// What devices download.
    pub binary: ArtifactId,
    /// A PNG of what the display shows, pixel by pixel.
    pub preview: ArtifactId,
    /// A small PNG of it.
    pub thumbnail: ArtifactId,
    /// What is known of its files.
    pub facts: ContentFacts,
    /// Whether it may be deployed.
    pub state: ContentState,
}

/// A registered content, with the hash and size of its binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Row id.
    pub id: ContentId,
    /// Everything it was registered with, as changed since.
    #[serde(flatten)]
    pub spec: NewContent,
    /// Hash of the binary.
    pub hash: Sha256Hash,
    /// Bytes of the binary.
    pub size: i64,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// The files that a display shows: `file_info` ids, each once, ascending. Order and repetition say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShownFiles(Box<[ArtifactId]>);

impl ShownFiles {
    /// The ids.
    pub fn as_slice(&self) -> &[ArtifactId] {
        &self.0
    }

    /// Whether it is shown.
    pub fn contains(&self, artifact: ArtifactId) -> bool {
        self.0.binary_search(&artifact).is_ok()
    }
}

impl FromIterator<ArtifactId> for ShownFiles {
    fn from_iter<T: IntoIterator<Item = ArtifactId>>(ids: T) -> Self {
        let mut ids: Vec<ArtifactId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }
}

/// What a device shows, and what it was last sent with success. One row a device that has ever said or been sent anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownContents {
    /// Which device.
    pub device: DeviceId,
    /// What it shows: by its own word, or by its results when it never says.
    pub shown: ShownFiles,
    /// Since when the server knows it.
    pub since: Timestamp,
    /// By the device's own word (`status/system.advertisements`).
    pub reported: bool,
    /// What the last content deployment that succeeded on it was; `None`: none yet.
    pub expected: Option<ShownFiles>,
    /// That deployment.
    pub deployment: Option<DeploymentId>,
}

impl ShownContents {
    /// What is known of a device once it reports `files`, and the change for its history. Its first word is no change. `by`: a
    /// deployment that sent it these files, and did not succeed.
    pub fn reported(
        before: Option<Self>,
        device: DeviceId,
        files: ShownFiles,
        by: Option<DeploymentId>,
        at: Timestamp,
    ) -> (Self, Option<ContentChange>) {
        let Some(before) = before else {
            let row =
                Self { device, shown: files, since: at, reported: true, expected: None, deployment: None };
            return (row, None);
        };
        if before.shown == files {
            return (Self { reported: true, ..before }, None);
        }
        // It shows again what it was sent.
        let again = before.deployment.filter(|_| before.expected.as_ref() == Some(&files));
        let change = ContentChange {
            id: HistoryId(0),
            device,
            at,
            shown: files.clone(),
            deployment: by.or(again),
            kind: ContentChangeKind::Reported,
        };
        (Self { shown: files, since: at, reported: true, ..before }, Some(change))
    }

    /// What is known of a device on which a deployment of `files` succeeded, and the change for its history. `reported`: it says
    /// itself that it shows them.
    pub fn sent(
        before: Option<Self>,
        device: DeviceId,
        deployment: DeploymentId,
        files: ShownFiles,
        reported: bool,
        at: Timestamp,
    ) -> (Self, Option<ContentChange>) {
        let known = before.filter(|before| before.shown == files);
        let change = known.is_none().then(|| ContentChange {
            id: HistoryId(0),
            device,
            at,
            shown: files.clone(),
            deployment: Some(deployment),
            kind: ContentChangeKind::Updated,
        });
        let row = Self {
            device,
            shown: files.clone(),
            since: known.as_ref().map_or(at, |known| known.since),
            reported: reported || known.is_some_and(|known| known.reported),
            expected: Some(files),
            deployment: Some(deployment),
        };
        (row, change)
    }

    /// It shows something else than it was sent.
    pub fn mismatch(&self) -> bool {
        self.expected.as_ref().is_some_and(|expected| *expected != self.shown)
    }
}

/// One change of what a device shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentChange {
    /// Row id (0 before it is stored).
    pub id: HistoryId,
    /// Which device.
    pub device: DeviceId,
    /// When the server learnt of it.
    pub at: Timestamp,
    /// What it shows since.
    pub shown: ShownFiles,
    /// The deployment that did it, if one did.
    pub deployment: Option<DeploymentId>,
    /// How it came.
    pub kind: ContentChangeKind,
}

text_enum! {
    /// How a device came to show what it shows.
    ContentChangeKind {
        /// A deployment succeeded.
        Updated = "updated",
        /// The device reported it; no deployment that succeeded explains it.
        Reported = "reported",
    }
}

/// What a device's progress message says of a set of files: percent and bytes of the whole set.
///
/// Devices count in their own ways: over the whole set, or anew with each file. A message whose `total_bytes` is the size of the
/// file that is next counts from the end of those that are done. 100 is given only where bytes prove it, because a result that
/// comes at 100 speaks for the whole set.
pub fn content_progress(
    sizes: &[i64],
    files_done: u32,
    percent: u8,
    downloaded: Option<i64>,
    total: Option<i64>,
) -> (u8, i64) {
    let whole: i64 = sizes.iter().sum();
    let done = usize::try_from(files_done).unwrap_or(usize::MAX).min(sizes.len());
    let of_one = total.filter(|total| *total != whole);
    let offset: i64 = match of_one {
        Some(total) if sizes.get(done) == Some(&total) => sizes.iter().take(done).sum(),
        _ => 0,
    };
    let bytes = match downloaded {
        Some(bytes) => offset.saturating_add(bytes.max(0)),
        None if total == Some(whole) => share(whole, percent),
        None => offset.saturating_add(share(of_one.unwrap_or(whole), percent)).min(whole.saturating_sub(1)),
    };
    let bytes = bytes.clamp(0, whole);
    if bytes >= whole || (total == Some(whole) && percent >= 100) {
        return (100, whole);
    }
    let percent = u8::try_from(bytes.saturating_mul(100) / whole.max(1)).unwrap_or(99);
    (percent.min(99), bytes)
}

fn share(whole: i64, percent: u8) -> i64 {
    whole.max(0).saturating_mul(i64::from(percent.min(100))) / 100
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
