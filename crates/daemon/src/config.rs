//! What the operator chose: options of the command line, the environment and `astrape.toml`, in falling order of
//! precedence, and the files of the first start.
//!
//! Every option is defined once, in [`options`]; the environment and the file are read by the same definition, so what is
//! refused on the command line is refused everywhere.
//!
//! | room | what is in it |
//! |---|---|
//! | [`options`] | all options of a node, with their help |
//! | [`mod@file`] | `astrape.toml` |
//! | [`place`] | which node: network, data directory, address of the API |
//! | [`mod@read`] | the three sources as one |
//! | [`settings`] | what they come to, with defaults, and what is refused |
//! | [`shown`] | all of them, with where each is from |
//! | [`secrets`] | options that are secrets |
//! | [`seed`] | the seed file |
//! | [`private`] | modes of secret files, mended at start |
//! | [`birthday`] | from which block on a seed may have coins |
//! | [`log`] | how the node logs |
//! | [`values`] | values that are more than a number |

pub mod birthday;
pub mod file;
pub mod log;
pub mod options;
pub mod place;
pub mod private;
pub mod read;
pub mod secrets;
pub mod seed;
pub mod settings;
pub mod shown;
pub mod values;

pub use options::{PlaceOptions, RunOptions};
pub use place::Place;
pub use read::{Invocation, Sourced, read};
pub use settings::{Developer, Settings};

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line or the environment is not understood, or help was asked for.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    /// Something in them cannot be.
    #[error("{0}")]
    Refused(String),
}

impl ConfigError {
    /// A refusal in words.
    pub(crate) fn refused(words: impl Into<String>) -> Self {
        Self::Refused(words.into())
    }
}
