//! One key of the configuration, and the macro that makes structs, defaults and the reference from one text.
//!
//! To add a key: a line in its section's `section!`. To add a section: a file in `sections/` and a line in `super::Config`.

use super::value::Shape;

/// What values a key takes beyond its type. Checked at load and printed in the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Whatever the type takes.
    Any,
    /// From and to, both included.
    Range(u64, u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Checked by its section's code, described here.
    Said(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    dotted: &'static str,
    /// Lines of its documentation.
    pub docs: &'static [&'static str],
    /// Its type in words.
    pub words: fn() -> String,
    /// A text from the environment is taken as it is.
    pub text: bool,
    /// A number of bytes.
    pub bytes: bool,
    /// What it takes.
    pub limit: Limit,
    /// Its value is never shown whole.
    pub secret: bool,
}

impl Key {
    pub(crate) const fn new<T: Shape>(
        dotted: &'static str,
        docs: &'static [&'static str],
        limit: Limit,
        secret: bool,
    ) -> Self {
        Self { dotted, docs, words: T::words, text: T::TEXT, bytes: T::BYTES, limit, secret }
    }

    /// `section.key`.
    pub(crate) fn path(&self) -> &'static str {
        self.dotted.trim_start_matches('.')
    }

    /// `ARGOSY_SECTION__KEY`.
    pub(crate) fn env(&self) -> String {
        format!("ARGOSY_{}", self.path().replace('.', "__").to_uppercase())
    }

    /// Its documentation as one line.
    pub(crate) fn about(&self) -> String {
        self.docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }
}

/// A section of the configuration: where it stands and what it is for.
#[derive(Debug, Clone)]
pub(crate) struct SectionAbout {
    /// `mqtt.plain`; empty for the top.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static [&'static str],
    /// Its own keys, without those of sections inside it.
    pub keys: Vec<Key>,
}

/// Makes a section: the struct with its `Default`, and its part of the reference.
///
/// `key: Type = default, Limit::…;` and `secret` after the limit for what is never shown; `@ name: Section;` for a section inside.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $name:ident at $prefix:literal {
            $( $(#[doc = $doc:literal])* $key:ident: $type:ty = $default:expr, $limit:expr $(, $secret:ident)?; )*
            $( @ $inner:ident: $section:ty; )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $name {
            $( $(#[doc = $doc])* pub $key: $type, )*
            $( #[doc = "A section inside."] pub $inner: $section, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )* $( $inner: Default::default(), )* }
            }
        }

        impl $name {
            /// Its part of the reference, and that of the sections inside it.
            pub(crate) fn sections(out: &mut Vec<$crate::config::key::SectionAbout>) {
                use $crate::config::key::{Key, Limit, SectionAbout};
                out.push(SectionAbout {
                    name: $prefix,
                    about: &[$($about),*],
                    keys: vec![$(
                        Key::new::<$type>(
                            concat!($prefix, ".", stringify!($key)),
                            &[$($doc),*],
                            $limit,
                            false $(|| stringify!($secret) == "secret")?,
                        ),
                    )*],
                });
                $( <$section>::sections(out); )*
            }
        }
    };
}

pub(crate) use section;
