//! The core on a flash that loses power, behind a link that breaks, with images that do not come up.

mod chip;
mod content;
mod decisions;
mod device;
mod power_cut;
