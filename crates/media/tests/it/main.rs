//! What an operator relies on: the display shows the picture, and what cannot be shown is refused with a reason.

mod golden;
mod judge;
mod memory;
mod pictures;
mod properties;
mod ready;
mod refusals;
