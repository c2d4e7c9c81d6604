//! Media: an uploaded picture becomes what a display shows. Adapter of the port `ContentMaker`.
//!
//! The way of a picture: [`source`](self) tells what it is by its first bytes, checks what it says of itself against [`Limits`] and only
//! then decodes it; `compose` turns it upright, scales it and lays it on the display; [`lvgl`] writes the LVGL 8 `.bin`. The
//! preview is decoded from that very `.bin`, so that what an operator sees is what the display gets, lost colours included.
//!
//! One more source format is a variant of `source::Format` and of the domain's `ContentSource`; one more colour depth is a variant of
//! [`lvgl::Depth`].

mod compose;
mod jpeg;
mod limits;
pub mod lvgl;
mod maker;
mod picture;
mod source;

pub use limits::Limits;
pub use maker::LvglContentMaker;
