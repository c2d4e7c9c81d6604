//! The aggregates. A value of a type here is valid: constructors and transitions check, so adapters need not.

mod account;
mod artifact;
mod content;
mod deployment;
mod device;
mod hold;
mod identity;
mod ledger;
mod lifetime;
mod place;
mod registration;
mod series;
mod text;
mod update;

pub use account::*;
pub use artifact::*;
pub use content::*;
pub use deployment::*;
pub use device::*;
pub use hold::*;
pub use identity::*;
pub use ledger::*;
pub use lifetime::*;
pub use place::*;
pub use registration::*;
pub use series::*;
pub use text::*;
pub use update::*;

/// Declares a state enum whose text form in the database, the API and the logs is one and the same.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The text form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownWord { given: text.chars().take(40).collect(), known: &[$($text),*] }),
                }
            }
        }
    };
}
pub(crate) use text_enum;

/// A word that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not one of {}", known.join(", "))]
pub struct UnknownWord {
    /// What was given (cut to 40 characters).
    pub given: String,
    /// What is known.
    pub known: &'static [&'static str],
}
